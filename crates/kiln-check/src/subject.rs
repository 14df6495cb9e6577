//! What rules look at: a Dockerfile with its stages and scripts, and what is known of its context,
//! its base images and the other Dockerfiles of the project.

use std::cell::OnceCell;
use std::ops::Range;

use kiln_dockerfile::{Dockerfile, Instruction, Kind};

use crate::shell::{Dialect, Script, script};

/// A file of the build context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextFile {
    /// Relative to the context, with slashes.
    pub path: String,
    /// Its size; 0 for a directory.
    pub bytes: u64,
    /// Whether it is a directory.
    pub dir: bool,
    /// Whether the ignore file keeps it out.
    pub ignored: bool,
    /// Its permissions, where known.
    pub mode: Option<u32>,
}

/// The build context.
#[derive(Clone, Debug, Default)]
pub struct ContextFacts {
    /// All files and directories, sorted by path; those of an ignored directory may be left out.
    pub files: Vec<ContextFile>,
    /// The ignore file's name and text, where there is one.
    pub ignore: Option<(String, String)>,
}

/// What is known of a base image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageFacts {
    /// Bytes of all its layers, unpacked.
    pub bytes: u64,
    /// `K=V`.
    pub env: Vec<String>,
    /// `USER`, empty for root.
    pub user: String,
    /// Whether it has a CMD.
    pub cmd: bool,
    /// Whether it has an ENTRYPOINT.
    pub entrypoint: bool,
    /// Whether it has a HEALTHCHECK.
    pub healthcheck: bool,
    /// `WORKDIR`.
    pub workdir: String,
    /// Its ONBUILD triggers.
    pub on_build: Vec<String>,
}

/// Looks base images up where they are, without fetching any.
pub trait Images {
    /// What is known of an image, by its name as a FROM has it.
    fn image(&self, name: &str) -> Option<ImageFacts>;
}

/// No image is known.
pub struct NoImages;

impl Images for NoImages {
    fn image(&self, _: &str) -> Option<ImageFacts> {
        None
    }
}

/// The final base images of a project's other Dockerfiles: path and image.
pub type OtherBases = Vec<(String, String)>;

/// All that is known besides the Dockerfile.
pub struct Surroundings<'a> {
    /// The context, where one is known.
    pub context: Option<&'a ContextFacts>,
    /// The Dockerfile's path in the context, where it is in there.
    pub dockerfile: Option<&'a str>,
    /// Base images.
    pub images: &'a dyn Images,
    /// Of the project's other Dockerfiles.
    pub others: &'a [(String, String)],
    /// The registries that images may come from; empty for any.
    pub trusted_registries: &'a [String],
    /// Labels an image must have, with their kinds (`text`, `url`, `semver`, …).
    pub label_schema: &'a [(String, String)],
    /// Whether labels beyond the schema are refused.
    pub strict_labels: bool,
    /// The shell that RUN uses before the first SHELL, where a comment names it.
    pub shell: Option<Dialect>,
}

impl Surroundings<'_> {
    /// Nothing is known.
    pub const NONE: Surroundings<'static> = Surroundings {
        context: None,
        dockerfile: None,
        images: &NoImages,
        others: &[],
        trusted_registries: &[],
        label_schema: &[],
        strict_labels: false,
        shell: None,
    };
}

/// A stage of the Dockerfile.
#[derive(Debug)]
pub struct Stage<'a> {
    /// Its number.
    pub index: usize,
    /// The FROM.
    pub from: &'a Instruction,
    /// The image as written.
    pub image: &'a str,
    /// `AS name`, as written.
    pub name: Option<&'a str>,
    /// `--platform`, as written.
    pub platform: Option<&'a str>,
    /// Indices of its instructions in the Dockerfile, the FROM first.
    pub range: Range<usize>,
    /// The earlier stage that it is based on.
    pub parent: Option<usize>,
}

/// A shell, and the SHELL that names it.
#[derive(Clone, Copy)]
struct InForce<'a> {
    dialect: Dialect,
    named: Option<&'a [String]>,
}

/// What rules look at.
pub struct Subject<'a> {
    /// The Dockerfile.
    pub file: &'a Dockerfile,
    /// Its stages.
    pub stages: Vec<Stage<'a>>,
    /// What is known besides.
    pub around: &'a Surroundings<'a>,
    /// For each instruction, the shell in force.
    shells: Vec<InForce<'a>>,
    scripts: Vec<OnceCell<Option<Script>>>,
}

impl<'a> Subject<'a> {
    /// Takes a Dockerfile apart.
    pub fn new(file: &'a Dockerfile, around: &'a Surroundings<'a>) -> Subject<'a> {
        let stages = stages(file);
        let mut shells = Vec::with_capacity(file.instructions.len());
        let usual = InForce {
            dialect: around.shell.unwrap_or(Dialect::Posix),
            named: None,
        };
        let mut at_end: Vec<InForce> = Vec::new();
        let mut now = usual;
        for instruction in &file.instructions {
            match &instruction.kind {
                Kind::From { image, .. } => {
                    if shells.len() > stages.first().map_or(0, |s| s.range.start) {
                        at_end.push(now);
                    }
                    let parent = stages.get(at_end.len()).and_then(|s| s.parent);
                    let windows = image.contains("windows") || image.contains("nanoserver");
                    now = match parent.and_then(|p| at_end.get(p)) {
                        Some(inherited) => *inherited,
                        None if windows => InForce {
                            dialect: Dialect::Unknown,
                            named: None,
                        },
                        None => usual,
                    };
                }
                Kind::Shell(argv) => {
                    now = InForce {
                        dialect: Dialect::of(argv),
                        named: Some(argv.as_slice()),
                    };
                }
                _ => {}
            }
            shells.push(now);
        }
        Subject {
            file,
            stages,
            around,
            shells,
            scripts: vec![OnceCell::new(); file.instructions.len()],
        }
    }

    /// All instructions.
    pub fn instructions(&self) -> &'a [Instruction] {
        &self.file.instructions
    }

    /// The instructions of a stage, the FROM first.
    pub fn of_stage(&self, stage: &Stage) -> &'a [Instruction] {
        self.file
            .instructions
            .get(stage.range.clone())
            .unwrap_or_default()
    }

    /// The last stage: the image, unless the build names another target.
    pub fn final_stage(&self) -> Option<&Stage<'a>> {
        self.stages.last()
    }

    /// Numbers of the stages a stage is based on, itself first.
    pub fn ancestry(&self, stage: usize) -> Vec<usize> {
        let next = |s: &usize| self.stages.get(*s).and_then(|s| s.parent);
        std::iter::successors(Some(stage), next).collect()
    }

    /// The stage a name or number means for an instruction of the `before`th stage.
    pub fn stage_named(&self, name: &str, before: usize) -> Option<&Stage<'a>> {
        earlier(&self.stages, name, before).and_then(|n| self.stages.get(n))
    }

    /// What the shell is given by the `n`th instruction: a RUN, and the RUN of an ONBUILD. Nothing
    /// for other instructions, and for shells whose language isn't known.
    pub fn script(&self, n: usize) -> Option<&Script> {
        let cell = self.scripts.get(n)?;
        cell.get_or_init(|| {
            let instruction = self.file.instructions.get(n)?;
            script(self.file, instruction, self.dialect(n))
        })
        .as_ref()
    }

    /// All scripts, with the numbers of their instructions.
    pub fn scripts(&self) -> impl Iterator<Item = (usize, &Script)> {
        (0..self.file.instructions.len()).filter_map(|n| self.script(n).map(|s| (n, s)))
    }

    /// The scripts of a stage.
    pub fn scripts_of(&self, stage: &Stage) -> impl Iterator<Item = (usize, &Script)> {
        let range = stage.range.clone();
        range.filter_map(|n| self.script(n).map(|s| (n, s)))
    }

    /// The shell in force at the `n`th instruction.
    pub fn dialect(&self, n: usize) -> Dialect {
        self.shells.get(n).map_or(Dialect::Posix, |s| s.dialect)
    }

    /// What the SHELL in force at the `n`th instruction names, where the file has one.
    pub fn shell_argv(&self, n: usize) -> Option<&'a [String]> {
        self.shells.get(n).and_then(|s| s.named)
    }
}

/// The earlier stage a name or number means; of several of one name the last.
fn earlier(stages: &[Stage], name: &str, before: usize) -> Option<usize> {
    let known = stages.get(..before).unwrap_or(stages);
    let named = known
        .iter()
        .rposition(|s| s.name.is_some_and(|n| n.eq_ignore_ascii_case(name)));
    named.or_else(|| name.parse().ok().filter(|n| *n < known.len()))
}

fn stages(file: &Dockerfile) -> Vec<Stage<'_>> {
    let mut stages: Vec<Stage> = Vec::new();
    for (n, from) in file.instructions.iter().enumerate() {
        let Kind::From {
            image,
            platform,
            name,
        } = &from.kind
        else {
            continue;
        };
        if let Some(last) = stages.last_mut() {
            last.range.end = n;
        }
        let index = stages.len();
        // A FROM takes names only, not numbers.
        let parent = earlier(&stages, image, index).filter(|_| image.parse::<usize>().is_err());
        stages.push(Stage {
            index,
            from,
            image,
            name: name.as_deref(),
            platform: platform.as_deref(),
            range: n..file.instructions.len(),
            parent,
        });
    }
    stages
}
