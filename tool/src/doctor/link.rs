// SPDX-License-Identifier: GPL-2.0

//! The interface of replication, as `ip -j` tells of it: sysfs shows that of another namespace.

use serde_json::Value;

use super::{json_output, Findings};
use crate::system::System;

/// Smallest MTU that carries any record with room to spare.
const MTU: u64 = 1280;

/// Looks at `syncdev`.
pub fn syncdev(system: &System, findings: &mut Findings) {
    let Some(name) = system.knob("syncdev") else {
        return;
    };
    if name.is_empty() {
        findings.fault(
            "syncdev",
            "no interface is set: ctsync set syncdev=INTERFACE",
        );
        return;
    }
    let links = json_output("ip", &["-j", "-d", "-s", "address", "show", "dev", &name]);
    let routes = json_output("ip", &["-j", "route", "show", "default"]);
    match links.as_ref().and_then(|links| links.get(0)) {
        Some(link) => judge(&name, link, routes.as_ref(), findings),
        None if json_output("ip", &["-j", "link", "show"]).is_some() => {
            findings.fault(
                "syncdev",
                format!("there is no interface {name}: it is waited for"),
            );
        }
        None => {}
    }
}

/// Judges what `ip -j -d -s address` says of the interface.
fn judge(name: &str, link: &Value, routes: Option<&Value>, findings: &mut Findings) {
    let before = findings.0.len();
    let flags: Vec<_> = link["flags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !flags.contains(&"UP") {
        findings.fault("syncdev", format!("{name} is down: ip link set {name} up"));
    } else if flags.contains(&"NO-CARRIER") || !flags.contains(&"LOWER_UP") {
        findings.fault(
            "syncdev",
            format!("{name} has no carrier: look at the cable and at the other end"),
        );
    }
    if link["addr_info"].as_array().is_none_or(Vec::is_empty) {
        findings.warning(
            "syncdev",
            format!("{name} has no address: give it one of its own, so that logs name the nodes"),
        );
    }
    if link["linkinfo"]["info_slave_kind"] == "vrf" {
        findings.warning(
            "syncdev",
            format!(
                "{name} is in a VRF, where other traffic is: \
            replication wants an interface of its own"
            ),
        );
    }
    let routes = routes.and_then(Value::as_array).into_iter().flatten();
    if routes.filter(|route| route["dev"] == name).count() > 0 {
        findings.fault(
            "syncdev",
            format!(
                "the default route leads through {name}: replication wants an interface of its own"
            ),
        );
    }
    if let Some(mtu) = link["mtu"].as_u64().filter(|&mtu| mtu < MTU) {
        findings.warning(
            "syncdev",
            format!("the MTU of {name} is {mtu}: some records do not fit, give it {MTU} or more"),
        );
    }
    for (direction, kind) in [
        ("rx", "errors"),
        ("rx", "dropped"),
        ("tx", "errors"),
        ("tx", "dropped"),
    ] {
        let counted = link["stats64"][direction][kind].as_u64().unwrap_or(0);
        if counted > 0 {
            findings.warning(
                "syncdev",
                format!("{name} has counted {counted} {direction} {kind}"),
            );
        }
    }
    if findings.0.len() == before {
        findings.good("syncdev", format!("{name} is up"));
    }
}

/// The interface that has an address.
pub fn device_of(address: &str) -> Option<String> {
    let links = json_output("ip", &["-j", "address", "show", "to", address])?;
    let mut links = links
        .as_array()?
        .iter()
        .filter_map(|link| link["ifname"].as_str());
    links.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn complaints(link: &Value, routes: &Value) -> usize {
        let mut findings = Findings::default();
        judge("eth2", link, Some(routes), &mut findings);
        findings.complaints().len()
    }

    #[test]
    fn each_fault_of_a_link_is_found() {
        let good = json!({
            "flags": ["BROADCAST", "UP", "LOWER_UP"], "mtu": 1500, "addr_info": [{"local": "10.9.0.1"}],
            "stats64": {"rx": {"errors": 0, "dropped": 0}, "tx": {"errors": 0, "dropped": 0}},
        });
        let other = json!([{"dst": "default", "dev": "eth0"}]);
        assert_eq!(complaints(&good, &other), 0);
        assert_eq!(
            complaints(&good, &json!([{"dst": "default", "dev": "eth2"}])),
            1
        );
        for (name, value) in [
            ("flags", json!(["BROADCAST"])),
            ("flags", json!(["UP", "NO-CARRIER"])),
            ("mtu", json!(1279)),
            ("addr_info", json!([])),
            ("linkinfo", json!({"info_slave_kind": "vrf"})),
            ("stats64", json!({"rx": {"errors": 3}})),
        ] {
            let mut link = good.clone();
            link[name] = value;
            assert_eq!(complaints(&link, &other), 1, "{link}");
        }
    }
}
