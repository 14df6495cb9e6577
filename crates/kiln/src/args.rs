//! The command line: docker's names and forms.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::analyze::AnalyzeArgs;

/// Builds, inspects and ships container images, without a daemon and without root.
#[derive(Parser)]
#[command(name = "kiln", version, about, disable_help_subcommand = true)]
pub struct Cli {
    /// Directory of the store
    #[arg(long, global = true, env = "KILN_ROOT", value_name = "DIR")]
    pub root: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Build an image from a Dockerfile
    Build(Box<BuildArgs>),
    /// Check Dockerfiles for best practices, and mend them
    Check(CheckArgs),
    /// Lay Dockerfiles out in one way
    Fmt(FmtArgs),
    /// List images
    Images(ImagesArgs),
    /// Show how an image came about
    History(HistoryArgs),
    /// Tell why steps of a build were cached or not
    Why(WhyArgs),
    /// Give an image another name
    Tag(TagArgs),
    /// Remove images
    Rmi(RmiArgs),
    /// Show all there is to know of containers and images, as JSON
    Inspect(InspectArgs),
    /// Make an image from a tar of a root file system
    Import(ImportArgs),
    /// Write images to a tar archive that `docker load` takes
    Save(SaveArgs),
    /// Bring in images from an archive that docker, podman, skopeo or buildah wrote
    Load(LoadArgs),
    /// Write the files of a container or an image, all layers as one, to a tar archive
    Export(ExportArgs),
    /// Show what is in an image, and what of it needn't be
    Analyze(AnalyzeArgs),
    /// Bring in an image from a registry
    Pull(PullArgs),
    /// Give an image to a registry
    Push(PushArgs),
    /// Images for several platforms under one name
    #[command(subcommand)]
    Manifest(ManifestCommand),
    /// Tell a registry who you are, and remember it
    Login(LoginArgs),
    /// Forget what a registry was told
    Logout(LogoutArgs),
    /// Be an engine for docker's clients
    Serve(ServeArgs),
    /// The store as a whole
    #[command(subcommand)]
    System(SystemCommand),
    /// The build cache
    #[command(subcommand)]
    Builder(BuilderCommand),
    /// The same commands, grouped as docker groups them
    #[command(subcommand)]
    Image(ImageCommand),
    #[command(flatten)]
    Verb(crate::container::args::Verb),
    /// Containers
    #[command(subcommand)]
    Container(crate::container::args::ContainerCommand),
    /// Directories of their own that containers mount
    #[command(subcommand)]
    Volume(crate::container::args::VolumeCommand),
}

impl Command {
    /// Whether its exit code may be that of a container.
    pub fn runs_a_container(&self) -> bool {
        use crate::container::args::{ContainerCommand, Verb};
        matches!(
            self,
            Command::Verb(Verb::Run(_) | Verb::Create(_))
                | Command::Container(ContainerCommand::Verb(Verb::Run(_) | Verb::Create(_)))
        )
    }
}

#[derive(Subcommand)]
pub enum ImageCommand {
    /// Build an image from a Dockerfile
    Build(Box<BuildArgs>),
    /// List images
    #[command(alias = "list")]
    Ls(ImagesArgs),
    /// Show how an image came about
    History(HistoryArgs),
    /// Give an image another name
    Tag(TagArgs),
    /// Remove images
    #[command(alias = "remove")]
    Rm(RmiArgs),
    /// Show all there is to know of images, as JSON
    Inspect(InspectArgs),
    /// Make an image from a tar of a root file system
    Import(ImportArgs),
    /// Write images to a tar archive that `docker load` takes
    Save(SaveArgs),
    /// Bring in images from an archive that docker, podman, skopeo or buildah wrote
    Load(LoadArgs),
    /// Remove images without a name
    Prune(PruneArgs),
    /// Bring in an image from a registry
    Pull(PullArgs),
    /// Give an image to a registry
    Push(PushArgs),
}

#[derive(Args)]
pub struct PullArgs {
    /// The image
    pub name: String,
    /// All tags of the repository
    #[arg(short, long)]
    pub all_tags: bool,
    /// Of an image for several platforms, the one to bring in
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Print only the name
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Args)]
pub struct PushArgs {
    /// The image
    pub name: String,
    /// All tags of the repository
    #[arg(short, long)]
    pub all_tags: bool,
    /// How layers are compressed that the registry hasn't got
    #[arg(long, value_enum, default_value = "gzip")]
    pub compression: CompressionArg,
    /// How well: 0 to 9 for gzip, 1 to 22 for zstd; a fast level by default
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub compression_level: Option<i32>,
    /// Print only the name
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Subcommand)]
pub enum ManifestCommand {
    /// Make a list of images of the store, one for each platform
    Create(ManifestCreateArgs),
    /// Push the images of a list, and an index of them under the list's name
    Push(ManifestPushArgs),
    /// Forget lists
    Rm(ManifestRmArgs),
}

#[derive(Args)]
pub struct ManifestCreateArgs {
    /// The list's name: where it will be pushed
    pub list: String,
    /// The images
    #[arg(required = true)]
    pub images: Vec<String>,
    /// Add to the list there is
    #[arg(short, long)]
    pub amend: bool,
}

#[derive(Args)]
pub struct ManifestPushArgs {
    /// The list
    pub list: String,
    /// How layers are compressed that the registry hasn't got
    #[arg(long, value_enum, default_value = "gzip")]
    pub compression: CompressionArg,
    /// How well: 0 to 9 for gzip, 1 to 22 for zstd; a fast level by default
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub compression_level: Option<i32>,
    /// Forget the list afterwards
    #[arg(short, long)]
    pub purge: bool,
}

#[derive(Args)]
pub struct ManifestRmArgs {
    /// The lists
    #[arg(required = true)]
    pub lists: Vec<String>,
}

#[derive(Args)]
pub struct LoginArgs {
    /// The registry; Docker Hub when absent
    pub registry: Option<String>,
    /// The user
    #[arg(short, long)]
    pub username: Option<String>,
    /// The password; better use --password-stdin
    #[arg(short, long)]
    pub password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Args)]
pub struct ServeArgs {
    /// Where: unix:///PATH (default: kiln.sock in $XDG_RUNTIME_DIR, root's in /run)
    #[arg(short = 'H', long, value_name = "ADDRESS")]
    pub host: Option<kiln_server::Address>,
    /// A group whose members may connect, too; by default only the user may
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Log more
    #[arg(short = 'D', long)]
    pub debug: bool,
}

#[derive(Args)]
pub struct LogoutArgs {
    /// The registry; Docker Hub when absent
    pub registry: Option<String>,
}

#[derive(Subcommand)]
pub enum SystemCommand {
    /// How much the store holds
    Df(DfArgs),
    /// Remove images without a name, the build cache, and all that is left over
    Prune(PruneArgs),
}

#[derive(Subcommand)]
pub enum BuilderCommand {
    /// Remove the build cache
    Prune(PruneArgs),
}

#[derive(Args)]
pub struct PruneArgs {
    /// Images with a name, too
    #[arg(short, long)]
    pub all: bool,
    /// Don't ask
    #[arg(short, long)]
    pub force: bool,
    /// Only images that pass: label=KEY[=VALUE], until=TIME
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
}

#[derive(Args)]
pub struct DfArgs {
    /// A Go template, `json`, or `table TEMPLATE`
    #[arg(long)]
    pub format: Option<String>,
}

#[derive(Args)]
pub struct ExportArgs {
    /// The archive; standard output when absent
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The container or image
    pub image: String,
}

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    Auto,
    Tty,
    Plain,
    Rawjson,
    Quiet,
}

#[derive(Args)]
pub struct BuildArgs {
    /// Name and optionally a tag of the image (NAME[:TAG]); may be repeated
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub tag: Vec<String>,
    /// The Dockerfile (default: CONTEXT/Dockerfile); - for standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,
    /// The stage to build
    #[arg(long)]
    pub target: Option<String>,
    /// A build argument; without a value it is taken from the environment
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub build_arg: Vec<String>,
    /// A label of the image
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Use no cached step
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    pub no_cache: bool,
    /// Stages that use no cached step
    #[arg(long, value_name = "STAGE")]
    pub no_cache_filter: Vec<String>,
    /// Fetch base images anew
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    pub pull: bool,
    /// The platform to build for
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Network of RUN steps: default, host or none
    #[arg(long, default_value = "default")]
    pub network: String,
    /// A line for /etc/hosts of RUN steps (HOST:IP or HOST=IP)
    #[arg(long, value_name = "HOST:IP")]
    pub add_host: Vec<String>,
    /// A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]
    #[arg(long, value_name = "SPEC")]
    pub secret: Vec<String>,
    /// An SSH agent for RUN --mount=type=ssh: default, or ID[=SOCKET]
    #[arg(long, value_name = "ID[=SOCKET]")]
    pub ssh: Vec<String>,
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,
    /// Write what was built to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto", env = "BUILDKIT_PROGRESS")]
    pub progress: ProgressMode,
    /// Tell at the end why each step was cached or not: text or json
    #[arg(
        long,
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text",
        value_name = "FORM"
    )]
    pub explain: Option<ExplainMode>,
    /// Show no progress, print the image's id
    #[arg(short, long)]
    pub quiet: bool,
    /// Give the image to the registries of its names
    #[arg(long)]
    pub push: bool,
    /// Where the result goes: type=local|tar|docker|oci|image|registry,dest=PATH
    #[arg(short, long, value_name = "SPEC")]
    pub output: Vec<String>,
    /// Put no time of this build into the image: all are SOURCE_DATE_EPOCH, or 0 where that is unset
    #[arg(long)]
    pub reproducible: bool,
    /// Check the Dockerfile instead of building it
    #[arg(long)]
    pub check: bool,
    /// What to do: build, check, outline or targets; the last two also as outline,format=json
    #[arg(long, value_name = "METHOD", default_value = "build")]
    pub call: String,
    /// A directory, - for standard input, or the URL of a tar or git repository
    pub context: String,
}

/// How findings are shown.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    Text,
    Json,
    Sarif,
    Github,
}

#[derive(Args)]
pub struct CheckArgs {
    /// Dockerfiles, directories that have some, or - for standard input
    #[arg(default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// Mend what can be mended safely
    #[arg(long, conflicts_with = "diff")]
    pub fix: bool,
    /// Show what --fix would change
    #[arg(long)]
    pub diff: bool,
    /// How findings are shown
    #[arg(long, value_enum, default_value = "text")]
    pub format: CheckFormat,
    /// From which severity on findings make the exit code 1: error, warning, info, style or never
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<String>,
    /// Switch a rule on or off, or give it a severity; any of its names will do
    #[arg(long, value_name = "RULE=on|off|SEVERITY")]
    pub rule: Vec<String>,
    /// Only these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// The configuration (default: kiln.toml here or further up)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The build context (default: the directory a Dockerfile is in)
    #[arg(long, value_name = "DIR")]
    pub context: Option<PathBuf>,
    /// Look at no build context
    #[arg(long, conflicts_with = "context")]
    pub no_context: bool,
    /// List all rules
    #[arg(long)]
    pub rules: bool,
    /// Show a rule's page
    #[arg(long, value_name = "RULE")]
    pub explain: Option<String>,
}

/// The form of an explanation; with rawjson progress it is always JSON.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExplainMode {
    Text,
    Json,
}

#[derive(Args)]
pub struct WhyArgs {
    /// An image that was built here; without one the last build, even if it failed
    pub image: Option<String>,
    /// Only this step: 3 for [3/5], build/3 for [build 3/5], #7 for #7 of plain progress
    #[arg(long, value_name = "STEP")]
    pub step: Option<String>,
    /// A Go template or `json`
    #[arg(long)]
    pub format: Option<String>,
}

#[derive(Args)]
pub struct FmtArgs {
    /// Dockerfiles, directories that have some, or - for standard input
    #[arg(default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// Change nothing; the exit code is 1 where something would change
    #[arg(long)]
    pub check: bool,
    /// Show what would change; the exit code is 1 where something would
    #[arg(long)]
    pub diff: bool,
    /// Spaces before continued lines
    #[arg(long, value_name = "N", default_value = "4")]
    pub indent: usize,
}

#[derive(Args)]
pub struct ImagesArgs {
    /// Only images of this name
    pub name: Option<String>,
    /// Also show images without a name (they are shown anyway)
    #[arg(short, long)]
    pub all: bool,
    /// Only ids
    #[arg(short, long)]
    pub quiet: bool,
    /// Whole ids
    #[arg(long)]
    pub no_trunc: bool,
    /// Also the digests of manifests
    #[arg(long)]
    pub digests: bool,
    /// Only images that pass: dangling=, reference=, label=, before=, since=, until=
    #[arg(short, long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// A Go template, `json`, or `table TEMPLATE`
    #[arg(long)]
    pub format: Option<String>,
}

#[derive(Args)]
pub struct HistoryArgs {
    /// The image
    pub image: String,
    /// Only ids
    #[arg(short, long)]
    pub quiet: bool,
    /// Whole ids and instructions
    #[arg(long)]
    pub no_trunc: bool,
    /// Sizes and times for people
    #[arg(short = 'H', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set)]
    pub human: bool,
    /// A Go template, `json`, or `table TEMPLATE`
    #[arg(long)]
    pub format: Option<String>,
}

#[derive(Args)]
pub struct TagArgs {
    /// The image
    pub source: String,
    /// The new name
    pub target: String,
}

#[derive(Args)]
pub struct RmiArgs {
    /// Remove an image by id though it has several names
    #[arg(short, long)]
    pub force: bool,
    /// The images
    #[arg(required = true)]
    pub images: Vec<String>,
}

#[derive(Args)]
pub struct InspectArgs {
    /// A Go template or `json`
    #[arg(short, long)]
    pub format: Option<String>,
    /// Look the images up in their registries
    #[arg(long)]
    pub remote: bool,
    /// With --remote, the platform whose image is shown
    #[arg(long, value_name = "OS/ARCH", requires = "remote")]
    pub platform: Option<String>,
    /// What kind of thing the names are
    #[arg(long = "type", value_name = "container|image")]
    pub kind: Option<String>,
    /// The containers and images
    #[arg(required = true)]
    pub images: Vec<String>,
}

#[derive(Args)]
pub struct ImportArgs {
    /// The tar, plain or compressed: a file, a URL, or - for standard input
    pub file: String,
    /// The image's name
    pub name: Option<String>,
    /// A remark for the history
    #[arg(short, long)]
    pub message: Option<String>,
    /// An instruction to apply to the image, like CMD or ENV
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,
    /// What the files are for
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
}

#[derive(Args)]
pub struct SaveArgs {
    /// The archive; standard output when absent
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// docker for a docker-archive, oci for an OCI image layout in a tar
    #[arg(long, value_enum, default_value = "docker")]
    pub format: ArchiveFormat,
    /// How the archive is compressed: none, gzip or zstd
    #[arg(long, value_enum, default_value = "none")]
    pub compression: CompressionArg,
    /// The images
    #[arg(required = true)]
    pub images: Vec<String>,
}

/// The forms of archives.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArchiveFormat {
    #[value(alias = "docker-archive")]
    Docker,
    #[value(alias = "oci-archive")]
    Oci,
}

/// How something is compressed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompressionArg {
    #[value(alias = "uncompressed")]
    None,
    Gzip,
    Zstd,
}

#[derive(Args)]
pub struct LoadArgs {
    /// The archive, or an OCI layout directory; standard input when absent
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Show no progress (there is none: docker's flag is accepted)
    #[arg(short, long)]
    pub quiet: bool,
    /// Of an image for several platforms, the one to load
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
}
