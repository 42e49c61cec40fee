// SPDX-License-Identifier: GPL-2.0

//! A map from small numbers, in their order: the simulated connections are numbered from 0.

/// Things that have a number each.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    places: Vec<Option<T>>,
    len: usize,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Numbered<T> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The one with a number.
    pub(super) fn get(&self, number: u16) -> Option<&T> {
        self.places.get(usize::from(number))?.as_ref()
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, number: u16) -> Option<&mut T> {
        self.places.get_mut(usize::from(number))?.as_mut()
    }

    /// Adds one; returns the one that had the number before.
    pub(super) fn insert(&mut self, number: u16, thing: T) -> Option<T> {
        let at = usize::from(number);
        if self.places.len() <= at {
            self.places.resize_with(at + 1, || None);
        }
        let before = self.places[at].replace(thing);
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes one away.
    pub(super) fn remove(&mut self, number: u16) -> Option<T> {
        let taken = self.places.get_mut(usize::from(number))?.take();
        self.len -= usize::from(taken.is_some());
        taken
    }

    /// Takes all away that are not to be kept; returns how many.
    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) -> usize {
        let before = self.len;
        for place in &mut self.places {
            if place.as_ref().is_some_and(|thing| !keep(thing)) {
                *place = None;
                self.len -= 1;
            }
        }
        before - self.len
    }

    /// Takes all away.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.len = 0;
    }

    /// All, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &T)> {
        let numbered = (0..=u16::MAX).zip(&self.places);
        numbered.filter_map(|(number, place)| Some((number, place.as_ref()?)))
    }

    /// All, to change them.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map() {
        let mut map = Numbered::default();
        assert_eq!(map.insert(7, 'a'), None);
        assert_eq!(map.insert(3, 'b'), None);
        assert_eq!(map.insert(7, 'c'), Some('a'));
        assert_eq!(map.insert(0, 'd'), None);
        let all: Vec<_> = map.iter().collect();
        assert_eq!(all, [(0, &'d'), (3, &'b'), (7, &'c')]);
        assert_eq!(
            (map.remove(3), map.remove(3), map.remove(99)),
            (Some('b'), None, None)
        );
        assert_eq!((map.get(7), map.get(3), map.len()), (Some(&'c'), None, 2));
        assert_eq!(map.retain(|&thing| thing == 'd'), 1);
        assert_eq!(map.get_mut(0), Some(&mut 'd'));
        assert_eq!(map.len(), 1);
        map.clear();
        assert_eq!((map.get(0), map.len()), (None, 0));
    }
}
