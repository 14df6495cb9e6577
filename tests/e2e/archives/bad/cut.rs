//! Archives that break off.

use std::process::Command;

use super::super::forge::*;
use super::{Victim, bad};
use crate::harness::{program, run_with};

/// Wherever an archive is cut, it is refused, or it is whole but for the end's zeros.
#[test]
fn archives_that_are_cut() {
    let layer = Tar::new()
        .file("f", &[b'x'; 3000])
        .dir("d/")
        .file("d/g", b"g")
        .done();
    let config = json_bytes(&config(&[&layer]));
    let docker = pack(&docker_members(&config, &[&layer]));
    let oci = pack(&oci_image(&config, &[&layer]));
    let mut victim = Victim::new();
    for (what, whole) in [("docker", docker), ("oci", oci)] {
        let needed = whole.len() - 1024;
        let cuts = (1..24).map(|n| n * needed / 24);
        let blocks = [511, 512, 513, 1024, needed - 512, needed - 1];
        for at in cuts.chain(blocks) {
            let cut = whole[..at].to_vec();
            victim.refuses(&bad(&format!("{what}, {at} of {}", whole.len()), cut, &[]));
        }
    }
    victim.assert_well();
}

#[test]
fn compressed_archives_that_are_cut_or_damaged() {
    let noise: Vec<u8> = (0..60_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let layer = Tar::new().file("f", &noise).done();
    let whole = docker_archive(&[&layer]);
    for (name, package) in [
        ("gzip", "gzip"),
        ("xz", "xz-utils"),
        ("zstd", "zstd"),
        ("bzip2", "bzip2"),
    ] {
        let mut command = Command::new(program(name, package));
        let packed = run_with(command.arg("-c"), whole.clone()).ok().stdout;
        for at in [3, 10, packed.len() / 2, packed.len() - 5, packed.len() - 1] {
            let cut = packed[..at].to_vec();
            let mut victim = Victim::new();
            victim.refuses(&bad(&format!("{name}, {at} of {}", packed.len()), cut, &[]));
            victim.assert_well();
        }
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 8].fill(0x55);
        let mut victim = Victim::new();
        victim.refuses(&bad(&format!("{name}, damaged"), damaged, &[]));
        victim.assert_well();
    }
}
