//! Whether a user may do something with a file, as the kernel decides it: POSIX.1-2017 §4.5 and, where a file has one, its
//! access control list as acl(5) says.
//!
//! # Decisions
//! - Asked for who wants a clip sent: the daemon reads more than most of those who may ask it to, and to send is to give
//!   away. What can't be told is no right.
//! - The list is read here: what there is for it binds the C library of the same name, for forty lines.

/// Somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// 0: everything is allowed.
    pub uid: u32,
    /// All of them, the primary one too. Empty: not known.
    pub groups: Vec<u32>,
}

/// What a file says of that.
#[derive(Clone, Copy, Debug)]
pub struct Inode<'a> {
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// `st_mode`.
    pub mode: u32,
    /// The extended attribute [`ACL`]; `None`: there is none.
    pub acl: Option<&'a [u8]>,
}

/// The extended attribute that has a file's access list.
pub const ACL: &str = "system.posix_acl_access";
/// Bytes of a list: hundreds of entries. One that is longer can't be told.
pub const LONGEST_ACL: usize = 4096;
/// To read a file.
pub const READ: u32 = 4;
/// To pass through a directory.
pub const SEARCH: u32 = 1;

const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

#[derive(Clone, Copy)]
struct Entry {
    tag: u16,
    permissions: u32,
    id: u32,
}

impl User {
    /// `want`: [`READ`], [`SEARCH`], or both.
    pub fn may(&self, want: u32, inode: &Inode<'_>) -> bool {
        if self.uid == 0 {
            return true;
        }
        let entries = match inode.acl {
            None => vec![
                Entry { tag: USER_OBJ, permissions: inode.mode >> 6, id: 0 },
                Entry { tag: GROUP_OBJ, permissions: inode.mode >> 3, id: 0 },
                Entry { tag: OTHER, permissions: inode.mode, id: 0 },
            ],
            Some(bytes) => match entries(bytes) {
                Some(entries) => entries,
                None => return false,
            },
        };
        self.is_granted(want, inode, &entries)
    }

    fn is_granted(&self, want: u32, inode: &Inode<'_>, entries: &[Entry]) -> bool {
        let of = |tag: u16| entries.iter().find(|entry| entry.tag == tag);
        let mask = of(MASK).map_or(u32::MAX, |mask| mask.permissions);
        let grants = |permissions: u32| permissions & want == want;
        if self.uid == inode.uid {
            return of(USER_OBJ).is_some_and(|owner| grants(owner.permissions));
        }
        if let Some(named) = entries.iter().find(|entry| entry.tag == USER && entry.id == self.uid) {
            return grants(named.permissions & mask);
        }
        let is_in = |gid: u32| self.groups.contains(&gid);
        let mut groups = entries
            .iter()
            .filter(|entry| match entry.tag {
                GROUP_OBJ => is_in(inode.gid),
                GROUP => is_in(entry.id),
                _ => false,
            })
            .peekable();
        // Who is in a group has what groups have, also where all others have more.
        if groups.peek().is_some() {
            return groups.any(|entry| grants(entry.permissions & mask));
        }
        // Whoever's groups are not known may be in one that has less than all others.
        let other = of(OTHER).is_some_and(|other| grants(other.permissions));
        let of_groups =
            |entry: &Entry| ![GROUP_OBJ, GROUP].contains(&entry.tag) || grants(entry.permissions & mask);
        other && (!self.groups.is_empty() || entries.iter().all(of_groups))
    }
}

/// `None`: it is none that is known.
fn entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (version, rest) = bytes.split_first_chunk()?;
    let (entries, rest) = rest.as_chunks::<8>();
    if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() {
        return None;
    }
    let entry = |[t0, t1, p0, p1, id @ ..]: &[u8; 8]| Entry {
        tag: u16::from_le_bytes([*t0, *t1]),
        permissions: u16::from_le_bytes([*p0, *p1]).into(),
        id: u32::from_le_bytes(*id),
    };
    Some(entries.iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32, groups: &[u32]) -> User {
        User { uid, groups: groups.to_vec() }
    }

    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let entry = |(tag, permissions, id): &(u16, u16, u32)| {
            [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        [VERSION.to_le_bytes().to_vec(), entries.iter().flat_map(entry).collect()].concat()
    }

    #[test]
    fn the_bits_that_are_nearest_decide() {
        // Owner 10, group 20.
        for (mode, who, may) in [
            (0o100_400, user(10, &[1]), true),
            (0o100_400, user(0, &[]), true),
            (0o100_000, user(0, &[]), true),
            (0o100_400, user(11, &[20]), false),
            (0o100_040, user(11, &[1, 20]), true),
            (0o100_040, user(10, &[20]), false),
            (0o100_004, user(11, &[1]), true),
            // Nearer ones that say no are not made good by those that are further.
            (0o100_004, user(10, &[1]), false),
            (0o100_004, user(11, &[20]), false),
            (0o100_444, user(11, &[]), true),
            // Perhaps in the group.
            (0o100_404, user(11, &[]), false),
            (0o100_044, user(11, &[]), true),
        ] {
            let inode = Inode { uid: 10, gid: 20, mode, acl: None };
            assert_eq!(who.may(READ, &inode), may, "{mode:o} {who:?}");
            let directory = Inode { mode: mode >> 2, ..inode };
            assert_eq!(who.may(SEARCH, &directory), may, "{mode:o} {who:?}");
        }
    }

    #[test]
    fn a_list_decides_as_the_kernel_has_it() {
        // As a desktop makes the directory of one person's cards: root:root 0750, and that person.
        let media = acl(&[
            (USER_OBJ, 7, u32::MAX),
            (USER, 5, 1000),
            (GROUP_OBJ, 0, u32::MAX),
            (GROUP, 5, 50),
            (GROUP, 1, 51),
            (MASK, 5, u32::MAX),
            (OTHER, 0, u32::MAX),
        ]);
        let inode = Inode { uid: 0, gid: 0, mode: 0o040_750, acl: Some(&media) };
        for (who, want, may) in [
            (user(1000, &[1000]), SEARCH | READ, true),
            (user(1001, &[1001]), SEARCH, false),
            (user(1001, &[50]), READ, true),
            (user(1001, &[51]), READ, false),
            (user(1001, &[51, 50]), READ | SEARCH, true),
            (user(1001, &[51]), SEARCH, true),
            // The group of the file has nothing, whatever `st_mode` shows in its place.
            (user(1001, &[0]), SEARCH, false),
        ] {
            assert_eq!(who.may(want, &inode), may, "{who:?} {want}");
        }
        let masked =
            acl(&[(USER_OBJ, 7, 0), (USER, 7, 1000), (GROUP_OBJ, 7, 0), (MASK, 0, 0), (OTHER, 4, 0)]);
        let inode = Inode { acl: Some(&masked), ..inode };
        assert!(!user(1000, &[1000]).may(READ, &inode) && !user(7, &[0]).may(READ, &inode));
        assert!(user(7, &[7]).may(READ, &inode) && !user(7, &[]).may(READ, &inode));
    }

    #[test]
    fn a_list_without_sense_allows_nothing() {
        let good = acl(&[(USER_OBJ, 7, 0), (OTHER, 7, 0)]);
        let inode = |acl| Inode { uid: 0, gid: 0, mode: 0o777, acl: Some(acl) };
        assert!(user(7, &[7]).may(READ, &inode(&good)));
        for cut in (0..good.len()).filter(|cut| *cut != 4 && *cut != 12) {
            assert!(!user(7, &[7]).may(READ, &inode(&good[..cut])), "{cut}");
        }
        for empty in [4, 12] {
            assert!(!user(7, &[7]).may(READ, &inode(&good[..empty])));
        }
        let newer = [&3u32.to_le_bytes()[..], &good[4..]].concat();
        assert!(!user(7, &[7]).may(READ, &inode(&newer)));
    }
}
