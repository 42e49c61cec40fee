// SPDX-License-Identifier: GPL-2.0

//! The conntrack table as the protocol sees it.

use crate::kapi::conntrack::Conntrack;
use crate::proto::{Applied, Entry, Key, Table};

impl Table for Conntrack {
    fn upsert(&mut self, entry: &Entry, mark: u8) -> Applied {
        Conntrack::upsert(*self, entry, mark)
    }

    fn update(&mut self, entry: &Entry, mark: u8) -> Applied {
        Conntrack::update(*self, entry, mark)
    }

    fn delete(&mut self, key: &Key) -> Applied {
        Conntrack::delete(*self, key)
    }

    fn sweep(&mut self, mark: u8) -> u32 {
        Conntrack::sweep(*self, mark)
    }

    fn forget_marks(&mut self) {
        Conntrack::forget_marks(*self);
    }
}
