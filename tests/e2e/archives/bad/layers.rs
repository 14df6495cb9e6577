//! Layers that nobody should trust, in archives that are right otherwise.

use tar::EntryType;

use super::super::forge::*;
use super::{Victim, bad};

/// A GNU long name of any length before the next entry.
pub fn long_name(kind: u8, name: &[u8]) -> Tar {
    let tar = Tar::new();
    let mut header = tar.header(EntryType::new(kind), "././@LongLink", name.len() as u64);
    header.set_cksum();
    tar.raw(header.as_bytes()).content(name)
}

/// A PAX header with one record.
fn pax(key: &str, value: &[u8]) -> Tar {
    let mut digits = 1;
    let length = loop {
        let length = digits + 3 + key.len() + value.len();
        if length.to_string().len() == digits {
            break length;
        }
        digits += 1;
    };
    let record = [format!("{length} {key}=").as_bytes(), value, b"\n"].concat();
    Tar::new().entry(EntryType::XHeader, "PaxHeaders/f", "", &record)
}

/// A header changed by hand, its checksum right again.
pub fn header(kind: EntryType, name: &str, change: impl FnOnce(&mut tar::Header)) -> Tar {
    let tar = Tar::new();
    let mut header = tar.header(kind, name, 0);
    change(&mut header);
    header.set_cksum();
    tar.raw(header.as_bytes())
}

/// A number as GNU writes those that are too large for octal digits.
fn base256(n: u64) -> [u8; 12] {
    let mut field = [0; 12];
    field[0] = 0x80;
    field[4..].copy_from_slice(&n.to_be_bytes());
    field
}

fn sized(kind: EntryType, size: u64) -> Vec<u8> {
    header(kind, "huge", |h| h.as_old_mut().size = base256(size)).done()
}

/// A sparse file of 1 TiB in one block.
fn sparse(size: u64) -> Vec<u8> {
    header(EntryType::GNUSparse, "sparse", |h| {
        let gnu = h.as_gnu_mut().unwrap();
        gnu.realsize = base256(size);
        gnu.sparse[0].offset = base256(size - 512);
        gnu.sparse[0].numbytes = base256(512);
        gnu.size = base256(512);
    })
    .raw(&[b'x'; 512])
    .done()
}

#[test]
fn layers_that_are_refused() {
    let wide = "n".repeat(300);
    let tar = Tar::new;
    let mut wrong_sum = tar().file("f", b"x").done();
    wrong_sum[150] ^= 1;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("up", tar().file("../canary", b"evil").done(), "../canary"),
        (
            "up and up",
            tar().file("../../../../canary", b"evil").done(),
            "../../../../canary",
        ),
        (
            "down and up",
            tar().file("a/../../canary", b"evil").done(),
            "a/../../canary",
        ),
        (
            "from the root",
            tar().file("/../canary", b"evil").done(),
            "/../canary",
        ),
        ("a directory above", tar().dir("../").done(), "../"),
        ("a link above", tar().symlink("../l", "/").done(), "../l"),
        (
            "a deletion above",
            tar().file("../.wh.canary", b"").done(),
            "../.wh.canary",
        ),
        (
            "a hard link to above",
            tar().link("h", "../../../../canary").done(),
            "\"h\"",
        ),
        (
            "a hard link to nothing",
            tar().link("h", "nothing").done(),
            "nothing",
        ),
        (
            "a hard link to /etc/passwd",
            tar().link("h", "/etc/passwd").done(),
            "\"h\"",
        ),
        (
            "a hard link to itself",
            tar().link("h", "h").done(),
            "\"h\"",
        ),
        (
            "a hard link to a directory",
            tar().dir("d/").link("h", "d").done(),
            "\"h\"",
        ),
        (
            "a hard link through a link",
            tar()
                .symlink("up", "../../../..")
                .link("h", "up/canary")
                .done(),
            "\"h\"",
        ),
        (
            "a file twice",
            tar().file("d/f", b"1").file("d/f", b"2").done(),
            "d/f",
        ),
        (
            "a file twice, once through a link",
            tar()
                .dir("d/")
                .symlink("l", "d")
                .file("l/f", b"1")
                .file("d/f", b"2")
                .done(),
            "/f",
        ),
        (
            "a file whose directory goes",
            tar().file("d/f", b"1").symlink("d", "elsewhere").done(),
            "\"d\"",
        ),
        (
            "a file below itself",
            tar().file("f", b"1").file("f/g", b"2").done(),
            "f/g",
        ),
        (
            "a file behind a circle",
            tar()
                .symlink("a", "b")
                .symlink("b", "a")
                .file("a/f", b"x")
                .done(),
            "a/f",
        ),
        ("a link to nothing", tar().symlink("l", "").done(), "\"l\""),
        (
            "a deletion of nothing",
            tar().file(".wh.", b"").done(),
            ".wh.",
        ),
        (
            "a deletion of here",
            tar().file(".wh..", b"").done(),
            ".wh..",
        ),
        (
            "a deletion of above",
            tar().file("d/.wh...", b"").done(),
            "d/.wh...",
        ),
        (
            "an unknown kind",
            tar().entry(EntryType::new(b'Z'), "f", "", b"").done(),
            "\"f\"",
        ),
        (
            "a number that is none",
            {
                header(EntryType::Regular, "f", |h| {
                    h.as_old_mut().mode = *b"zzzzzzzz"
                })
                .done()
            },
            "",
        ),
        (
            "an owner out of range",
            {
                header(EntryType::Regular, "f", |h| {
                    h.as_old_mut().uid = [0x80, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff];
                })
                .done()
            },
            "\"f\"",
        ),
        ("a size of 2^63", sized(EntryType::Regular, 1 << 63), ""),
        ("a size of 2^64-1", sized(EntryType::Regular, u64::MAX), ""),
        (
            "a directory of 2^64-1",
            sized(EntryType::Directory, u64::MAX),
            "",
        ),
        ("a size of 1 TiB", sized(EntryType::Regular, 1 << 40), ""),
        ("a sparse file of 1 TiB", sparse(1 << 40), ""),
        ("a sparse file of 2^63", sparse(1 << 63), ""),
        (
            "a PAX sparse file",
            { pax("GNU.sparse.major", b"1").file("s", b"x").done() },
            "sparse",
        ),
        (
            "a PAX size",
            pax("size", b"99999999999999").file("f", b"x").done(),
            "",
        ),
        (
            "a PAX path above",
            pax("path", b"../canary").file("f", b"x").done(),
            "../canary",
        ),
        (
            "a PAX link above",
            { pax("linkpath", b"../../../../canary").link("h", "x").done() },
            "\"h\"",
        ),
        (
            "a name of 300 bytes",
            { long_name(b'L', wide.as_bytes()).file("f", b"x").done() },
            "nnnnnnnn",
        ),
        (
            "a name of 5000 bytes",
            {
                long_name(b'L', "n/".repeat(2500).as_bytes())
                    .file("f", b"x")
                    .done()
            },
            "n/n/n/n/",
        ),
        (
            "a name of 2 MiB",
            { long_name(b'L', &vec![b'n'; 2 << 20]).file("f", b"x").done() },
            "nnnnnnnn",
        ),
        (
            "a target of 2 MiB",
            {
                long_name(b'K', &vec![b't'; 2 << 20])
                    .symlink("l", "x")
                    .done()
            },
            "\"l\"",
        ),
        (
            "a PAX name of 2 MiB",
            { pax("path", &vec![b'n'; 2 << 20]).file("f", b"x").done() },
            "PAX",
        ),
        (
            "a name with a zero",
            {
                long_name(b'L', b"good\0/../../canary")
                    .file("f", b"x")
                    .done()
            },
            "good",
        ),
        (
            "two long names",
            {
                let first = long_name(b'L', b"one").open();
                Tar::new()
                    .raw(&first)
                    .raw(&long_name(b'L', b"two").open())
                    .file("f", b"x")
                    .done()
            },
            "",
        ),
        ("a name of nobody", long_name(b'L', b"name").done(), ""),
        ("no tar", b"hello, this is no tar\n".repeat(100), ""),
        (
            "a cut header",
            tar().file("f", b"x").done()[..300].to_vec(),
            "",
        ),
        (
            "a cut file",
            tar().file("f", &[b'x'; 2000]).done()[..1500].to_vec(),
            "",
        ),
        ("a wrong checksum", wrong_sum, ""),
        (
            "broken gzip",
            [&[0x1f, 0x8b, 8, 0][..], &[0xff; 600]].concat(),
            "",
        ),
    ];
    let mut victim = Victim::new();
    for (name, layer, says) in cases {
        // Wherever the fault is, the error names the layer.
        let says = [says, &hex(&layer)];
        victim.refuses(&bad(name, docker_archive(&[&layer]), &says));
    }
    victim.assert_well();
}
