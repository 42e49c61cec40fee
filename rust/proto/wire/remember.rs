// SPDX-License-Identifier: GPL-2.0

//! What is remembered of a record that was sent, for the case that it is lost (§7.2).

use super::bytes::{Reader, Writer};
use super::key::take_key_bytes;
use super::record::kind;
use super::write::record;

/// Writes what has to be remembered of a record for the case that it is lost: of a connection its
/// key, as a delete; of a BEGIN nothing, since nothing depends on it.
pub(in crate::proto) fn put_remembered(w: &mut Writer<'_>, body: &[u8]) {
    let mut r = Reader(body);
    match r.u8() {
        Some(kind::UPSERT | kind::UPDATE | kind::WALKED | kind::DELETE | kind::EXPECTATION) => {
            let key = take_key_bytes(&mut r).unwrap_or_default();
            record(w, kind::DELETE, |w| w.put(key));
        }
        Some(kind::RESYNC_BEGIN) | None => {}
        Some(_) => w.prefixed_long(|w| w.put(body)),
    }
}

/// Whether a record says what the connection of the record `before` it expects: then it is told
/// anew with that one.
pub(in crate::proto) fn expects(body: &[u8], before: &[u8]) -> bool {
    let (mut body, mut before) = (Reader(body), Reader(before));
    let known = [kind::UPSERT, kind::UPDATE, kind::WALKED, kind::EXPECTATION].map(Some);
    body.u8() == Some(kind::EXPECTATION)
        && known.contains(&before.u8())
        && take_key_bytes(&mut body) == take_key_bytes(&mut before)
}

#[cfg(test)]
mod tests {
    use super::super::record::ResyncEnd;
    use super::super::samples::*;
    use super::super::write::*;
    use super::*;

    #[test]
    fn keys_and_markers_are_remembered() {
        let remembered = |body: &[u8]| bytes(|w| put_remembered(w, body));
        assert_eq!(remembered(&UPDATE[1..]), DELETE);
        assert_eq!(remembered(&DELETE[1..]), DELETE);
        assert_eq!(remembered(&CHANGE[1..]), DELETE);
        let mut large = bytes(|w| put_walked(w, &largest()));
        let key = bytes(|w| put_delete(w, &largest().key));
        assert_eq!(remembered(&large.split_off(3)), key);
        let end = bytes(|w| put_resync_end(w, &ResyncEnd::default()));
        assert_eq!(remembered(&end[1..]), end);
        let begin = bytes(|w| put_resync_begin(w, 1, false));
        assert!(remembered(&begin[1..]).is_empty());
    }

    #[test]
    fn what_is_expected_is_remembered_with_the_connection() {
        let (entry, expectation) = of_ftp();
        let upsert = bytes(|w| put_upsert(w, &entry));
        let expected = bytes(|w| put_expectation(w, &entry.key, &expectation));
        let delete = bytes(|w| put_delete(w, &entry.key));
        assert_eq!(bytes(|w| put_remembered(w, &expected[1..])), delete);
        assert!(expects(&expected[1..], &upsert[1..]));
        assert!(expects(&expected[1..], &expected[1..]));
        assert!(!expects(&expected[1..], &[]));
        assert!(!expects(&expected[1..], &delete[1..]), "it is over by then");
        assert!(!expects(&expected[1..], &UPDATE[1..]), "another connection");
        assert!(!expects(&upsert[1..], &upsert[1..]));
    }
}
