/**
 * The Python that the worker runs in: looked at without importing anything heavy, and made by `sai engine install
 * huggingface` from the locked requirements.
 *
 * 1. A look costs a Python start only when something may have changed: the interpreter, or where packages are installed.
 * 2. An environment that was not finished counts as none: only then its stamp holds the hash of the lock. A folder without a
 *    stamp was made by somebody else and is never touched.
 */
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Clock } from "../../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../../shared/runtime/errors.js";
import { sha256 } from "../../../shared/runtime/hash.js";
import { type Limits, type Outcome, runCommand } from "../../hardware/command.js";

/** In the package, below dist/ as well. */
export const WORKER_DIR = fileURLToPath(new URL("worker/", import.meta.url));
/** The locked requirements. */
export const LOCK = join(WORKER_DIR, "requirements.txt");
const STAMP = "sai-requirements.sha256";

export interface Looked {
  /** `5.23.0, torch 2.10.0, Python 3.11.7`; empty if it cannot be used. */
  version: string;
  /** Why it cannot be used, and what to do. */
  unavailable?: string;
}

const LOOK = `
import importlib.metadata as m, json, platform, sys
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return None
names = ("torch", "transformers", "accelerate", "pillow")
print(json.dumps({"python": platform.python_version(), "paths": sys.path, "packages": {n: version(n) for n in names}}))
`;
const seen = z.object({
  python: z.string(),
  paths: z.array(z.string()),
  packages: z.record(z.string(), z.string().nullable()),
});

const LOOK_LIMITS = { deadlineMs: 2_500, killMs: 200, mostBytes: 256 * 1024 };
/** A gigabyte a minute is slow, and there are eight. */
const INSTALL_LIMITS = { deadlineMs: 3 * 3_600_000, killMs: 5_000, mostBytes: 64 * 1024 * 1024 };
const VENV_STEP = "making a virtual environment";
const OLDEST = [3, 11] as const;
export const INSTALL_HINT =
  "`sai engine install huggingface` makes a Python environment for it; engines.huggingface.python names one of your own";

/** Looks again and again, cheaply (invariant 1). */
export class EnvironmentWatch {
  private last: { looked: Looked; paths: string[]; state: string } | undefined;

  constructor(
    private readonly python: string,
    private readonly clock: Clock,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Never throws. */
  async look(signal: AbortSignal): Promise<Looked> {
    if (this.last && (await stateOf(this.last.paths)) === this.last.state) return this.last.looked;
    this.last = undefined;
    const { looked, paths } = await lookAt(this.python, this.clock, this.env, signal);
    // One that failed is looked at anew: what was wrong may have been anything.
    if (looked.unavailable === undefined) this.last = { looked, paths, state: await stateOf(paths) };
    return looked;
  }
}

/** One look, for people; never throws. */
export const lookOnce = async (
  python: string,
  clock: Clock,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Looked> => (await lookAt(python, clock, env, signal)).looked;

async function lookAt(python: string, clock: Clock, env: NodeJS.ProcessEnv, signal: AbortSignal) {
  const no = (unavailable: string): { looked: Looked; paths: string[] } => ({
    looked: { version: "", unavailable },
    paths: [],
  });
  const outcome = await runCommand(python, ["-I", "-c", LOOK], clock, { ...LOOK_LIMITS, env, signal });
  const text = outcome.kind === "ended" && outcome.ended.code === 0 ? outcome.ended.stdout : undefined;
  if (text === undefined) return no(`${python} ${whyNot(outcome)}; ${INSTALL_HINT}`);
  const read = readSeen(text);
  if (read === undefined) return no(`${python} is no Python that can be used; ${INSTALL_HINT}`);
  const { python: version, packages, paths } = read;
  if (isTooOld(version))
    return no(`${python} is Python ${version}, and ${OLDEST.join(".")} or newer is needed`);
  const missing = Object.keys(packages).filter((name) => packages[name] === null);
  if (missing.length > 0)
    return no(`the Python environment of ${python} lacks ${missing.join(", ")}; ${INSTALL_HINT}`);
  const looked: Looked = {
    version: `${packages["transformers"]}, torch ${packages["torch"]}, Python ${version}`,
  };
  return { looked, paths: [python, ...paths] };
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

function readSeen(text: string): z.output<typeof seen> | undefined {
  try {
    return seen.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function whyNot(outcome: Outcome): string {
  if (outcome.kind === "ended") {
    const { code, signal, stderr } = outcome.ended;
    const last = stderr.trim().split("\n").at(-1) ?? "";
    return `ended with ${signal ?? `exit code ${code}`}${last === "" ? "" : `: ${last.slice(0, 300)}`}`;
  }
  if (outcome.kind === "not_started")
    return outcome.error.code === "ENOENT"
      ? "is not there"
      : `cannot be started: ${errorText(outcome.error)}`;
  return outcome.kind === "too_much" ? "said too much" : "did not answer";
}

async function stateOf(paths: readonly string[]): Promise<string> {
  const times = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ mtimeMs, ino }) => `${ino} ${mtimeMs}`,
        () => "none",
      ),
    ),
  );
  return times.join("\n");
}

export interface InstallParts {
  clock: Clock;
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  /** What happens now, for people. */
  say(line: string): void;
}

/**
 * Makes the environment of a virtual environment's interpreter (`…/bin/python`) with the locked requirements; true if it had
 * to. What is there and of another lock is made anew. Throws SaiError.
 */
export async function installEnvironment(
  python: string,
  basePython: string,
  { clock, env, signal, say }: InstallParts,
): Promise<boolean> {
  const folder = dirname(dirname(python));
  const lock = sha256(await readFile(LOCK, "utf8"));
  if (await isFinished(folder, python, lock)) return false;
  await refuseForeign(folder);
  await refuseUnfit(basePython, clock, { ...LOOK_LIMITS, deadlineMs: 20_000, env, signal });
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, STAMP), "not finished\n");
  const step = (what: string, path: string, args: string[]) => {
    say(what);
    return done(what, path, args, clock, { ...INSTALL_LIMITS, env, signal });
  };
  await step(`${VENV_STEP} in ${folder}`, basePython, ["-m", "venv", folder]);
  const pip = ["-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--require-hashes"];
  await step(
    "installing torch and transformers (about 3 GB to load, 8 GB on the disk; takes minutes)",
    python,
    [...[...pip, "--only-binary", ":all:", "--progress-bar", "off", "-r", LOCK]],
  );
  await writeFile(join(folder, STAMP), `${lock}\n`);
  return true;
}

/** The interpreter is a link to one of the system's, which may have gone. */
const isFinished = async (folder: string, python: string, lock: string): Promise<boolean> =>
  (await has(python)) && (await readFile(join(folder, STAMP), "utf8").catch(() => "")).trim() === lock;

const has = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** pip would fail on the locked versions, in words of its own. */
async function refuseUnfit(basePython: string, clock: Clock, limits: Limits): Promise<void> {
  const hint = `Python ${OLDEST.join(".")} or newer is needed; --python names one`;
  const refused = (why: string) => new SaiError("failed_precondition", `${basePython} ${why}`, { hint });
  const outcome = await runCommand(basePython, ["-I", "-c", LOOK], clock, limits);
  limits.signal?.throwIfAborted();
  const isOne = outcome.kind === "ended" && outcome.ended.code === 0;
  if (!isOne) throw refused(whyNot(outcome));
  const version = readSeen(outcome.ended.stdout)?.python;
  if (version === undefined) throw refused("is no Python that can be used");
  if (isTooOld(version)) throw refused(`is Python ${version}`);
}

async function refuseForeign(folder: string): Promise<void> {
  if (!(await has(folder)) || (await has(join(folder, STAMP)))) return;
  throw new SaiError("failed_precondition", `${folder} is there, and was not made by this command`, {
    hint: `install ${LOCK} there, or name another place in engines.huggingface.python`,
  });
}

async function done(
  what: string,
  path: string,
  args: readonly string[],
  clock: Clock,
  limits: Limits,
): Promise<void> {
  const outcome = await runCommand(path, args, clock, limits);
  limits.signal?.throwIfAborted();
  if (outcome.kind === "ended" && outcome.ended.code === 0) return;
  // venv complains on its standard output where Debian has left out a part of Python.
  const words = outcome.kind === "ended" ? outcome.ended.stderr.trim() || outcome.ended.stdout.trim() : "";
  const said = words === "" ? "" : `\n${words.slice(-2_000)}`;
  const hint = what.startsWith(VENV_STEP)
    ? "it needs Python's modules venv and ensurepip (on Debian and Ubuntu `apt install python3-venv`), and a folder to write to"
    : "it needs the Python Package Index (or pip's configuration for a mirror) and 8 GB of disk";
  throw new SaiError("failed_precondition", `${what} failed: ${path} ${whyNot(outcome)}${said}`, { hint });
}
