// SPDX-License-Identifier: GPL-2.0

//! The conntrack table, asked by ctnetlink: another path than the module's own.

use std::os::fd::OwnedFd;

use rustix::net::{netlink, recv, send, socket, AddressFamily, RecvFlags, SendFlags, SocketType};

use crate::error::Error;
use crate::flow::{u16_of, u32_of, Flow};

/// Bytes of a message's header, and of nfnetlink's behind it.
const HEADERS: usize = 16 + 4;
/// `NLMSG_ERROR`, `NLMSG_DONE`.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const FLAGS: u16 = 0x301;
/// `NLM_F_DUMP_INTR`: the table was resized meanwhile.
const INTERRUPTED: u16 = 0x10;
/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET`.
const CT_GET: u16 = (1 << 8) | 1;
/// Most bytes that the kernel gives at once.
const BUFFER: usize = 1 << 16;

/// Why a table could not be read.
fn failed(error: rustix::io::Errno) -> Error {
    Error::new(match error {
        rustix::io::Errno::PERM => {
            "only root can read the conntrack table: run this with sudo".to_owned()
        }
        rustix::io::Errno::PROTONOSUPPORT => {
            "this kernel has no ctnetlink: modprobe nf_conntrack_netlink".to_owned()
        }
        _ => format!("the conntrack table cannot be read: {error}"),
    })
}

/// The request for the whole table.
fn request() -> Vec<u8> {
    let length = u32::try_from(HEADERS).unwrap_or(0);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(CT_GET.to_ne_bytes());
    bytes.extend(FLAGS.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([0; 4]);
    bytes
}

/// Reads the whole table.
pub fn table() -> Result<Vec<Flow>, Error> {
    let socket = socket(
        AddressFamily::NETLINK,
        SocketType::RAW,
        Some(netlink::NETFILTER),
    )
    .map_err(failed)?;
    send(&socket, &request(), SendFlags::empty()).map_err(failed)?;
    let mut flows = Vec::new();
    let mut buffer = vec![0; BUFFER];
    while receive(&socket, &mut buffer, &mut flows)? {}
    Ok(flows)
}

/// Reads what the kernel has ready; returns whether more is to come.
fn receive(socket: &OwnedFd, buffer: &mut [u8], flows: &mut Vec<Flow>) -> Result<bool, Error> {
    let length = recv(socket, buffer, RecvFlags::empty()).map_err(failed)?;
    messages(buffer.get(..length).unwrap_or_default(), flows)
}

/// Takes messages apart; returns whether more is to come.
fn messages(mut rest: &[u8], flows: &mut Vec<Flow>) -> Result<bool, Error> {
    let cut = || Error::new("the kernel's answer about the conntrack table was cut short");
    while !rest.is_empty() {
        let length = rest
            .get(..4)
            .and_then(|bytes| u32_of(bytes, u32::from_ne_bytes))
            .ok_or_else(cut)?;
        let length = usize::try_from(length).map_err(|_| cut())?;
        let kind = rest
            .get(4..6)
            .and_then(|bytes| u16_of(bytes, u16::from_ne_bytes))
            .ok_or_else(cut)?;
        let flags = rest
            .get(6..8)
            .and_then(|bytes| u16_of(bytes, u16::from_ne_bytes))
            .ok_or_else(cut)?;
        if flags & INTERRUPTED != 0 {
            return Err(Error::new(
                "the conntrack table was resized while it was read: try again",
            ));
        }
        let message = rest.get(16..length).ok_or_else(cut)?;
        match kind {
            NLMSG_DONE => return Ok(false),
            NLMSG_ERROR => {
                let code = message
                    .get(..4)
                    .and_then(|bytes| u32_of(bytes, u32::from_ne_bytes))
                    .ok_or_else(cut)?;
                return Err(failed(rustix::io::Errno::from_raw_os_error(number(
                    code.wrapping_neg(),
                ))));
            }
            _ => flows.extend(message.get(4..).and_then(Flow::parse)),
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// The number of an error, which is small and not negative.
fn number(code: u32) -> i32 {
    i32::try_from(code).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::tests::entry;

    /// A message.
    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(16 + body.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn messages_end_where_they_say() {
        let mut flows = Vec::new();
        let body = [[2, 0, 0, 0].as_slice(), &entry(1, 0)].concat();
        let two = [message(0x100, &body), message(0x100, &body)].concat();
        assert_eq!(messages(&two, &mut flows), Ok(true));
        assert_eq!(flows.len(), 2);
        assert_eq!(
            messages(&message(NLMSG_DONE, &[0; 4]), &mut flows),
            Ok(false)
        );
        let refused = messages(&message(NLMSG_ERROR, &(-1i32).to_ne_bytes()), &mut flows);
        assert!(refused.unwrap_err().message.contains("root"));
        for length in 1..two.len() / 2 {
            assert!(messages(&two[..length], &mut flows).is_err(), "{length}");
        }
    }
}
