// SPDX-License-Identifier: GPL-2.0

//! The ruleset: whether a chain that drops lets replication through.
//!
//! This does not evaluate rules. It looks for base chains whose policy is drop and in which no rule
//! accepts by the port or the interface of replication.

use serde_json::Value;

use super::{json_output, Findings};
use crate::system::System;

/// Looks at the ruleset.
pub fn firewall(system: &System, findings: &mut Findings) {
    let Some(ruleset) = json_output("nft", &["-j", "list", "ruleset"]) else {
        return;
    };
    let port = system.knob("port").unwrap_or_else(|| "3781".to_owned());
    let syncdev = system.knob("syncdev").unwrap_or_default();
    let closed = closed(&ruleset, &port, &syncdev);
    if closed.is_empty() {
        findings.good("ruleset", "no chain drops what replication sends");
    }
    for (hook, chain) in closed {
        let (what, word) = match hook.as_str() {
            "output" => ("out", "oifname"),
            _ => ("in", "iifname"),
        };
        findings.warning(
            "ruleset",
            format!(
                "{chain} drops by policy and has no rule for replication coming {what}: nft \
                add rule {chain} {word} {syncdev} udp dport {port} accept"
            ),
        );
    }
}

/// The chains of input and output that seem to drop frames: hook, and family, table and name.
fn closed(ruleset: &Value, port: &str, syncdev: &str) -> Vec<(String, String)> {
    let objects = || ruleset["nftables"].as_array().into_iter().flatten();
    let chains = objects().filter_map(|object| object.get("chain"));
    let dropping = chains.filter(|chain| {
        chain["policy"] == "drop" && matches!(chain["hook"].as_str(), Some("input" | "output"))
    });
    let same = |rule: &Value, chain: &Value| {
        rule["family"] == chain["family"] && rule["table"] == chain["table"]
    };
    let is_closed = |chain: &&Value| {
        let mut rules = objects()
            .filter_map(|object| object.get("rule"))
            .filter(|rule| same(rule, chain));
        // Rules of other chains of the table count too: they may be jumped to.
        !rules.any(|rule| accepts(rule, port, syncdev))
    };
    let name = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    dropping
        .filter(is_closed)
        .map(|chain| {
            let full = [&chain["family"], &chain["table"], &chain["name"]]
                .map(name)
                .join(" ");
            (name(&chain["hook"]), full)
        })
        .collect()
}

/// Whether a rule may accept frames: it names the port or the interface, or has no condition.
fn accepts(rule: &Value, port: &str, syncdev: &str) -> bool {
    let statements = rule["expr"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let accepts = statements.iter().any(|one| {
        ["accept", "jump", "goto", "vmap"]
            .iter()
            .any(|name| one.get(name).is_some())
    });
    let conditions: Vec<_> = statements
        .iter()
        .filter_map(|one| one.get("match"))
        .collect();
    accepts
        && (conditions.is_empty()
            || conditions
                .iter()
                .any(|condition| mentions(&condition["right"], port, syncdev)))
}

/// Whether a value is, or has in it, the port or the interface; sets that have names may.
fn mentions(value: &Value, port: &str, syncdev: &str) -> bool {
    match value {
        Value::Number(number) => number.to_string() == port,
        Value::String(text) => text == syncdev || text.starts_with('@'),
        Value::Array(values) => values.iter().any(|value| mentions(value, port, syncdev)),
        Value::Object(fields) => fields.values().any(|value| mentions(value, port, syncdev)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn closed_with(policy: &str, rules: &[Value]) -> usize {
        let mut objects = vec![
            json!({"chain": {"family": "inet", "table": "filter", "name": "input", "hook": "input", "policy": policy}}),
        ];
        for expr in rules {
            objects.push(json!({"rule": {"family": "inet", "table": "filter", "chain": "input", "expr": expr}}));
        }
        closed(&json!({ "nftables": objects }), "3781", "eth2").len()
    }

    #[test]
    fn a_chain_that_drops_needs_a_rule() {
        let matches =
            |right: Value| json!([{"match": {"op": "==", "right": right}}, {"accept": null}]);
        assert_eq!(closed_with("accept", &[]), 0);
        assert_eq!(closed_with("drop", &[]), 1);
        assert_eq!(closed_with("drop", &[matches(json!(22))]), 1);
        assert_eq!(closed_with("drop", &[matches(json!(3781))]), 0);
        assert_eq!(
            closed_with("drop", &[matches(json!({"set": ["lo", "eth2"]}))]),
            0
        );
        assert_eq!(closed_with("drop", &[json!([{"accept": null}])]), 0);
        assert_eq!(closed_with("drop", &[json!([{"counter": null}])]), 1);
    }
}
