//! The command line: docker's names and forms.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// List images
    Images(ImagesArgs),
    /// Show how an image came about
    History(HistoryArgs),
    /// Give an image another name
    Tag(TagArgs),
    /// Remove images
    Rmi(RmiArgs),
    /// Show all there is to know of images, as JSON
    Inspect(InspectArgs),
    /// Make an image from a tar of a root file system
    Import(ImportArgs),
    /// Write images to a tar archive that `docker load` takes
    Save(SaveArgs),
    /// Bring in images from an archive that docker, podman, skopeo or buildah wrote
    Load(LoadArgs),
    /// Write the files of an image, all its layers as one, to a tar archive
    Export(ExportArgs),
    /// The store as a whole
    #[command(subcommand)]
    System(SystemCommand),
    /// The build cache
    #[command(subcommand)]
    Builder(BuilderCommand),
    /// The same commands, grouped as docker groups them
    #[command(subcommand)]
    Image(ImageCommand),
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
    /// The image
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
    /// Write the image's id to a file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,
    /// Write what was built to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto", env = "BUILDKIT_PROGRESS")]
    pub progress: ProgressMode,
    /// Show no progress, print the image's id
    #[arg(short, long)]
    pub quiet: bool,
    /// Where the result goes: type=local|tar|docker|oci|image,dest=PATH
    #[arg(short, long, value_name = "SPEC")]
    pub output: Vec<String>,
    /// Put no time of this build into the image: all are SOURCE_DATE_EPOCH, or 0 where that is unset
    #[arg(long)]
    pub reproducible: bool,
    /// A directory, - for standard input, or the URL of a tar or git repository
    pub context: String,
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
    /// What kind of thing the names are
    #[arg(long = "type", value_name = "image")]
    pub kind: Option<String>,
    /// The images
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
    /// Print nothing
    #[arg(short, long)]
    pub quiet: bool,
    /// Of an image for several platforms, the one to load
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
}
