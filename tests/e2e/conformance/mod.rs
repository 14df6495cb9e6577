//! Every directory of `tests/conformance` is built by kiln and by dockerd, and the two images
//! compared: files, config, history. `docs/conformance.md` says how, and what differs on purpose.

mod case;

use std::path::Path;

use case::{Case, Prepared};

use crate::harness::{
    Archive, Dockerd, Done, Image, Kiln, Project, Server, compare_configs, compare_histories,
    compare_trees, program, run, run_with,
};

/// The cases are dealt out to so many tests, each with a dockerd of its own.
const SHARDS: usize = 4;

/// No fewer cases than this may be found: a wrong path must not look like success.
const AT_LEAST: usize = 60;

#[test]
fn cases_0() {
    shard(0);
}

#[test]
fn cases_1() {
    shard(1);
}

#[test]
fn cases_2() {
    shard(2);
}

#[test]
fn cases_3() {
    shard(3);
}

#[test]
fn every_instruction_has_a_case() {
    let text: Vec<String> = Case::all()
        .iter()
        .map(|c| std::fs::read_to_string(c.dir.join(c.dockerfile())).unwrap_or_default())
        .collect();
    let mut missing = Vec::new();
    for keyword in kiln_dockerfile::KEYWORDS {
        let used = |t: &String| {
            t.lines()
                .filter_map(|l| l.split_whitespace().next())
                .any(|w| w.eq_ignore_ascii_case(keyword))
        };
        if text.iter().filter(|t| used(t)).count() == 0 {
            missing.push(keyword);
        }
    }
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn deliberate_differences_are_documented() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    for case in Case::all() {
        for d in case.differs() {
            assert!(
                !d.reason.is_empty(),
                "{}: {}: no reason given",
                case.name,
                d.start
            );
            let known = docs
                .lines()
                .any(|l| l.contains(&case.name) && l.starts_with('|'));
            assert!(known, "docs/conformance.md does not list {}", case.name);
        }
    }
}

fn shard(number: usize) {
    let all = Case::all();
    assert!(all.len() >= AT_LEAST, "only {} cases found", all.len());
    let wanted = std::env::var("KILN_CASE").ok();
    let mine: Vec<&Case> = all
        .iter()
        .enumerate()
        .filter(|(n, _)| n % SHARDS == number)
        .map(|(_, c)| c)
        .filter(|c| wanted.as_ref().is_none_or(|w| *w == c.name))
        .collect();
    if mine.is_empty() {
        return;
    }
    let pair = Pair {
        kiln: Kiln::new(),
        docker: Dockerd::with_base(),
        server: serve(),
    };
    let mut report = String::new();
    for case in &mine {
        let found = pair.differences(case);
        if !found.is_empty() {
            report.push_str(&format!("\n{}\n", case.name));
            found
                .iter()
                .for_each(|d| report.push_str(&format!("  {d}\n")));
        }
    }
    assert!(report.is_empty(), "differences from docker:\n{report}");
}

/// What `@URL@` serves.
fn serve() -> Server {
    let archive = Project::new("").with("d/f", "from an archive\n");
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_path_with_name(archive.path("d/f"), "d/f")
        .unwrap();
    let tar = tar.into_inner().unwrap();
    let gzip = program("gzip", "gzip");
    let packed = run_with(std::process::Command::new(gzip).arg("-nc"), tar).ok();
    Server::start([
        ("plain.txt", b"plain text\n".to_vec()),
        ("a.tar.gz", packed.stdout),
    ])
}

/// Both builders.
struct Pair {
    kiln: Kiln,
    docker: Dockerd,
    server: Server,
}

impl Pair {
    /// What differs without leave, and leave that nothing makes use of.
    fn differences(&self, case: &Case) -> Vec<String> {
        let prepared = case.prepare(&self.server.url());
        let mut found = self.compare(case, &prepared);
        for d in case.differs() {
            let before = found.len();
            found.retain(|f| !f.starts_with(&d.start));
            if found.len() == before {
                found.push(format!("differs: {}: no such difference any more", d.start));
            }
        }
        found
    }

    fn compare(&self, case: &Case, prepared: &Prepared) -> Vec<String> {
        let mut steps = Vec::new();
        if let Some((ours, theirs)) = &prepared.base {
            steps.push((ours, theirs, format!("{}-base", case.name), Vec::new()));
        }
        let (ours, theirs) = &prepared.context;
        steps.push((ours, theirs, case.name.clone(), case.args()));
        for (ours, theirs, name, args) in steps {
            let with_args = |context: &Path| -> Vec<String> {
                let context = context.to_str().unwrap();
                let mut all = vec!["--tag".to_owned(), name.clone()];
                all.extend(args.iter().map(|a| a.replace("@CTX@", context)));
                all
            };
            let (a, b) = (with_args(ours), with_args(theirs));
            let a: Vec<&str> = a.iter().map(String::as_str).collect();
            let b: Vec<&str> = b.iter().map(String::as_str).collect();
            let docker = self.docker.try_build(theirs, &b);
            let kiln = self.kiln.try_build(ours, &a);
            if docker.code != Some(0) {
                return vec![format!("build: docker cannot build it:\n{}", docker.err())];
            }
            if kiln.code != Some(0) {
                return vec![format!("build: kiln cannot build it:\n{}", kiln.err())];
            }
        }
        let read = |who: &str, save: Done| -> Result<Image, String> {
            if save.code != Some(0) {
                return Err(format!("save: {who} cannot save it:\n{}", save.err()));
            }
            let image = Archive::read(&save.stdout).try_image();
            image.map_err(|e| format!("save: of {who}: {e}"))
        };
        let ours = read("kiln", self.kiln.run(["save", &case.name]));
        let theirs = read(
            "docker",
            run(&mut self.docker.command(["save", &case.name])),
        );
        let (kiln, docker) = match (ours, theirs) {
            (Ok(a), Ok(b)) => (a, b),
            (a, b) => return [a.err(), b.err()].into_iter().flatten().collect(),
        };
        let mut found = compare_trees(&kiln.tree, &docker.tree);
        found.extend(compare_configs(&kiln, &docker));
        found.extend(compare_histories(&kiln, &docker));
        found
    }
}
