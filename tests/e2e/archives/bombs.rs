//! Small archives of large things: refused before they fill memory or disk.

use std::fs::File;
use std::io::Write;
use std::process::Command;

use serde_json::json;
use tar::EntryType;

use super::bad::{CPU, Victim};
use super::forge::*;
use crate::harness::{Kiln, MEMORY, measured, measured_on, program, run_with};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program("gzip", "gzip"));
    run_with(command.args(["-c", "-n"]), data.to_vec())
        .ok()
        .stdout
}

/// 64 MiB of one byte, as a member of a gzip: 64 KiB.
fn block(byte: u8) -> Vec<u8> {
    gzip(&vec![byte; 64 << 20])
}

/// 10 GiB of zeros behind some bytes: members of a gzip make one stream.
fn ten_gib_after(head: &[u8], block: &[u8], out: &mut File) {
    out.write_all(&gzip(head)).unwrap();
    for _ in 0..160 {
        out.write_all(block).unwrap();
    }
}

/// The header of an entry of 10 GiB.
fn ten_gib(kind: EntryType, name: &str) -> Vec<u8> {
    let tar = Tar::new();
    let mut header = tar.header(kind, name, 10 << 30);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Extension blocks of a sparse file, each of which says that another follows.
fn sparse_without_end() -> Vec<u8> {
    let tar = Tar::new();
    let mut header = tar.header(EntryType::GNUSparse, "sparse", 1 << 30);
    header.as_gnu_mut().unwrap().isextended[0] = 1;
    header.set_cksum();
    let mut block = [0; 512];
    for n in 0..21u64 {
        let at = n as usize * 24;
        block[at..at + 11].copy_from_slice(b"00000001000");
        block[at + 12..at + 23].copy_from_slice(b"00000000000");
    }
    block[504] = 1;
    let mut out = header.as_bytes().to_vec();
    for _ in 0..200_000 {
        out.extend_from_slice(&block);
    }
    out
}

#[test]
fn bombs_in_layers() {
    let mut victim = Victim::new();
    let (zeros, text) = (block(0), block(b'x'));
    let small = Tar::new().file("f", b"x");
    // The same layer, compressed, under the diff ID of something else: it must never be read so far
    // that the digest could be looked at.
    let cases: [(&str, Vec<u8>, &[u8]); 6] = [
        ("a file", ten_gib(EntryType::Regular, "f"), &zeros),
        ("what follows the end", small.clone().done(), &zeros),
        (
            "a long name",
            ten_gib(EntryType::GNULongName, "././@LongLink"),
            &text,
        ),
        (
            "a long target",
            ten_gib(EntryType::GNULongLink, "././@LongLink"),
            &text,
        ),
        (
            "a PAX header",
            ten_gib(EntryType::XHeader, "PaxHeaders/x"),
            &text,
        ),
        (
            "a global PAX header",
            ten_gib(EntryType::XGlobalHeader, "g"),
            &text,
        ),
    ];
    let claimed = digest(b"claimed");
    let mut config = config(&[]);
    config["rootfs"]["diff_ids"] = json!([claimed]);
    for (name, head, block) in cases {
        let path = victim.kiln.file("bad.tar");
        let mut layer = File::create(victim.kiln.file("layer")).unwrap();
        ten_gib_after(&head, block, &mut layer);
        drop(layer);
        let blob = std::fs::read(victim.kiln.file("layer")).unwrap();
        std::fs::remove_file(victim.kiln.file("layer")).unwrap();
        std::fs::write(&path, pack(&docker_members(&json_bytes(&config), &[&blob]))).unwrap();
        let load = ["load", "-i", path.to_str().unwrap()];
        let done = measured(&victim.kiln, &load, Vec::new());
        victim.judge(name, &done, std::slice::from_ref(&claimed));
    }
    let blob = gzip(&sparse_without_end());
    let archive = pack(&docker_members(&json_bytes(&config), &[&blob]));
    let done = measured(&victim.kiln, &["load"], archive);
    victim.judge("a sparse file without end", &done, &[claimed]);
    victim.assert_well();
}

#[test]
fn bombs_in_archives() {
    let mut victim = Victim::new();
    let (zeros, text) = (block(0), block(b'x'));
    let small = pack(&docker_members(b"{}", &[]));
    let cases: [(&str, Vec<u8>, &[u8]); 6] = [
        ("a member", ten_gib(EntryType::Regular, "layer.tar"), &zeros),
        ("a directory", ten_gib(EntryType::Directory, "d/"), &zeros),
        (
            "a long name",
            ten_gib(EntryType::GNULongName, "././@LongLink"),
            &text,
        ),
        (
            "a PAX header",
            ten_gib(EntryType::XHeader, "PaxHeaders/x"),
            &text,
        ),
        ("what follows the end", small, &zeros),
        (
            "a sparse file",
            {
                let mut h = Tar::new().header(EntryType::GNUSparse, "s", 0);
                let gnu = h.as_gnu_mut().unwrap();
                gnu.realsize = *b"77777777777\0";
                gnu.sparse[0].offset = *b"77777777777\0";
                gnu.sparse[0].numbytes = *b"00000000000\0";
                h.set_cksum();
                h.as_bytes().to_vec()
            },
            &zeros,
        ),
    ];
    for (name, head, block) in cases {
        let path = victim.kiln.file("bad.tar");
        ten_gib_after(&head, block, &mut File::create(&path).unwrap());
        let load = ["load", "-i", path.to_str().unwrap()];
        let done = measured(&victim.kiln, &load, Vec::new());
        victim.judge(&format!("{name}, file"), &done, &[]);
        let done = measured_on(&victim.kiln, &["load"], File::open(&path).unwrap());
        victim.judge(&format!("{name}, pipe"), &done, &[]);
    }
    victim.assert_well();
}

/// Documents that are large only because something is named again and again.
#[test]
fn repetitions() {
    let layer = Tar::new().file("f", b"x").done();
    let mut config = json_bytes(&config(&[&layer]));
    config.resize(7 << 20, b' ');
    let mut victim = Victim::new();

    let mut members = docker_members(&config, &[&layer]);
    let mut images: Vec<_> = (0..300)
        .map(|n| json!({ "Config": "config.json", "RepoTags": [format!("a:{n}")], "Layers": ["0/layer.tar"] }))
        .collect();
    images.push(json!({ "Config": "missing.json", "Layers": [] }));
    members[0].1 = json_bytes(&json!(images));
    let archive = pack(&members);
    let done = measured(&victim.kiln, &["load"], archive);
    victim.judge("a config 300 times", &done, &["missing.json".to_owned()]);

    // Beside each other they are all kept; one of them is enough to be refused.
    let manifest = json_bytes(&oci_manifest(&config, &[&layer]));
    let mut entries = vec![descriptor("manifest.v1+json", &manifest); 300];
    entries.push(descriptor("manifest.v1+json", b"missing"));
    let members = oci_members(&oci_index(&entries), &[&manifest, &config, &layer]);
    let done = measured(&victim.kiln, &["load"], pack(&members));
    victim.judge("a manifest 300 times", &done, &[hex(b"missing")]);

    let mut many = Tar::new();
    for n in 0..120_000 {
        many = many.file(&n.to_string(), b"");
    }
    // From a file: a pipe would have each member written to disk first.
    let path = victim.kiln.file("bad.tar");
    std::fs::write(&path, many.done()).unwrap();
    let load = ["load", "-i", path.to_str().unwrap()];
    victim.judge(
        "many members",
        &measured(&victim.kiln, &load, Vec::new()),
        &[],
    );
    victim.assert_well();
}

/// What is looked up for each entry, or each record, must not be all that there is.
#[test]
fn entries_that_cost_more_than_they_weigh() {
    let letters = || ('a'..='z').chain('A'..='Z').chain('0'..='9');
    let mut records = String::new();
    for (a, b, c) in letters()
        .flat_map(|a| letters().map(move |b| (a, b)))
        .flat_map(|(a, b)| letters().map(move |c| (a, b, c)))
        .take(140_000)
    {
        records.push_str(&format!("8 {a}{b}{c}=\n"));
    }
    let many_records = Tar::new()
        .entry(EntryType::XHeader, "PaxHeaders/f", "", records.as_bytes())
        .file("f", b"x")
        .done();
    let mut replaced = Tar::new();
    for n in 0..4000 {
        replaced = replaced.file(&n.to_string(), b"x");
    }
    for _ in 0..40_000 {
        replaced = replaced.symlink("l", "x");
    }
    let mut victim = Victim::new();
    for (name, layer) in [("records", many_records), ("links", replaced.done())] {
        let done = measured(&victim.kiln, &["load"], docker_archive(&[&layer]));
        let long = done.time > std::time::Duration::from_secs(60);
        assert!(!long, "{name}: {:?}", done.time);
        assert!(done.cpu <= CPU, "{name}: computed {:?}", done.cpu);
        assert!(done.memory <= MEMORY, "{name}: {} KiB", done.memory);
        if done.done.code == Some(0) {
            victim.kiln.ok(["rmi", "forged"]);
        } else {
            let says = [hex(&layer)];
            victim.judge(name, &done, &says);
        }
        victim.unharmed(name);
    }
    victim.assert_well();
}

/// Many entries of a layer are honest work, which takes no more memory than their names.
#[test]
fn memory_of_a_layer_with_many_files() {
    let mut layer = Tar::new();
    for n in 0..10_000 {
        layer = layer.file(&format!("d{}/f{n}", n / 500), b"content");
    }
    let layer = layer.done();
    let kiln = Kiln::empty();
    let archive = kiln.file("many.tar");
    std::fs::write(&archive, docker_archive(&[&layer])).unwrap();
    let load = ["load", "-i", archive.to_str().unwrap()];
    let done = measured(&kiln, &load, Vec::new());
    assert!(done.memory <= MEMORY, "{} KiB", done.memory);
    done.done.ok();
    assert!(kiln.save("forged").len() > layer.len());
}
