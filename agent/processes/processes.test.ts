import { spawn } from "node:child_process";
import { mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../shared/runtime/clock.js";
import { nodeDisk } from "../../shared/runtime/disk.js";
import { environmentOf, seeProcess } from "../../shared/runtime/proc.js";
import { Processes, type Program } from "./processes.js";

const log = pino({ level: "silent" });

let dir: string;
const opened: Processes[] = [];

beforeEach(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), "sai-processes-")));
});
afterEach(async () => {
  for (const processes of opened.splice(0)) await processes.close(0);
  await rm(dir, { recursive: true });
});

async function open(
  env: NodeJS.ProcessEnv = process.env,
  memoryLimitBytes?: number,
  disk = nodeDisk,
): Promise<Processes> {
  const processes = await Processes.open({
    ...{ disk, dir: join(dir, "programs"), env, clock: systemClock, log, memoryLimitBytes },
  });
  opened.push(processes);
  return processes;
}

const shell = (script: string, more: Partial<Program> = {}): Program => ({
  ...{ name: "a shell", path: "/bin/sh", args: ["-c", script], env: {} },
  ...more,
});
const isAlive = (pid: number) => {
  const seen = seeProcess(pid);
  return seen !== undefined && !/[ZX]/.test(seen.state);
};
const until = async (is: () => boolean) => {
  for (let i = 0; !is(); i += 1) {
    if (i > 500) throw new Error("it never was");
    await systemClock.sleep(10);
  }
};
/** The pids that a script said, in order. */
const pidsSaid = async (said: () => string, many: number): Promise<number[]> => {
  await until(() => said().split("\n").length >= many);
  return said().split("\n").map(Number);
};

describe("programs an agent starts", () => {
  test("one that ends when it is asked to", async () => {
    const program = await (await open()).start(shell("echo hello; exec sleep 100"));
    await until(() => program.said() === "hello");
    expect(await program.stop()).toEqual([]);
    expect(program.end).toEqual({ how: "signal SIGTERM", said: "hello" });
    expect(await readdir(join(dir, "programs"))).toEqual([]);
  });

  test("one that is ended while it is being noted leaves no note", async () => {
    let [noting, note] = [false, () => {}];
    const slow: typeof nodeDisk = {
      ...nodeDisk,
      async writeAtomic(path, data) {
        noting = true;
        await new Promise<void>((resolve) => {
          note = resolve;
        });
        return nodeDisk.writeAtomic(path, data);
      },
    };
    const processes = await open(process.env, undefined, slow);
    const starting = processes.start(shell("exec sleep 100"));
    await until(() => noting);
    const closing = processes.close(0);
    await systemClock.sleep(300);
    note();
    await Promise.all([starting, closing]);
    expect(await readdir(join(dir, "programs"))).toEqual([]);
  });

  test("one that does not is killed, with all that it started, in its group and out of it", async () => {
    const script = `trap "" TERM; sleep 100 & echo $!; setsid sh -c 'trap "" TERM; echo $$; sleep 100; :' & sleep 100; :`;
    const program = await (await open()).start(shell(script));
    const pids = await pidsSaid(program.said, 2);
    expect(await program.stop(200)).toEqual([]);
    expect([program.pid, ...pids].filter(isAlive)).toEqual([]);
  });

  test("what it has started is its own, and what that has started, in a session of its own, too; nothing else is", async () => {
    const processes = await open();
    const program = await processes.start(
      shell(`sleep 100 & echo $!; setsid sh -c 'echo $$; sleep 100; :' & wait`),
    );
    const pids = await pidsSaid(program.said, 2);
    expect([program.pid, ...pids].map((pid) => processes.owns(pid))).toEqual([true, true, true]);
    expect([process.pid, 1, 0, 4_000_000].map((pid) => processes.owns(pid))).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(pids.map((pid) => processes.runs(pid))).toEqual([true, true]);
    expect([process.pid, 1, 0, 4_000_000].some((pid) => processes.runs(pid))).toBe(false);
    await program.stop(0);
  });

  test("what one leaves behind when it ends by itself is killed", async () => {
    const program = await (await open()).start(shell("sleep 100 & echo $!; exit 3"));
    expect((await program.ended).how).toBe("exit code 3");
    const [worker = 0] = await pidsSaid(program.said, 1);
    await until(() => !isAlive(worker));
    await until(() => !isAlive(program.pid));
  });

  test("what an earlier start left is ended by the next one, whether or not it was noted", async () => {
    const first = await open();
    const noted = await first.start(shell("exec sleep 100"));
    const escaped = await first.start(shell("setsid sleep 100 & echo $!; exec sleep 100"));
    const [other = 0] = await pidsSaid(escaped.said, 1);
    // Of this one no note was written.
    await rm(join(dir, "programs", `${escaped.pid}.json`));
    await open();
    await until(() => ![noted.pid, escaped.pid, other].some(isAlive));
    expect(await readdir(join(dir, "programs"))).toEqual([]);
  });

  test("a session without its first process is found by its note; one that overwrote its environment, too", async () => {
    const first = await open();
    const program = await first.start(shell("env -i sleep 100 & echo $!; exec sleep 101"));
    const [bare = 0] = await pidsSaid(program.said, 1);
    await until(() => environmentOf(bare).join("") === "");
    await open();
    await until(() => ![program.pid, bare].some(isAlive));
  });

  test("nobody else's process is ended: another program, another agent's, an id that was given again", async () => {
    const stranger = spawn("sleep", ["100"], { detached: true, stdio: "ignore" });
    const pid = stranger.pid ?? 0;
    try {
      const note = { v: 1, boot: "", name: "x", pid, startTicks: "1", mark: "SAI_STARTED_BY=nobody:1" };
      note.boot = (await import("../../shared/runtime/proc.js")).bootId();
      const programs = join(dir, "programs");
      await nodeDisk.mkdir(programs);
      await nodeDisk.writeAtomic(join(programs, `${pid}.json`), JSON.stringify(note));
      // The same start, but with an environment that can be read and has no mark.
      const same = { ...note, startTicks: seeProcess(pid)?.startTicks };
      await nodeDisk.writeAtomic(join(programs, "same.json"), JSON.stringify(same));
      await open();
      expect(isAlive(pid)).toBe(true);
      expect(await readdir(programs)).not.toContain(`${pid}.json`);
    } finally {
      stranger.kill("SIGKILL");
    }
  });

  test("a damaged note is no trouble", async () => {
    await nodeDisk.mkdir(join(dir, "programs"));
    await nodeDisk.writeAtomic(join(dir, "programs", "1.json"), "{");
    await open();
    expect(await readdir(join(dir, "programs"))).toEqual([]);
  });

  test("one that is gone is not killed again: its id may be another's", async () => {
    const program = await (await open()).start(shell("exit 0"));
    await program.ended;
    await program.stop();
    const kill = vi.spyOn(process, "kill");
    await program.stop(0);
    expect(kill).not.toHaveBeenCalled();
    kill.mockRestore();
  });

  test("one that cannot be started says why, and what to do", async () => {
    const processes = await open();
    await expect(
      processes.start(shell("", { path: "/nowhere/ollama", name: "ollama" })),
    ).rejects.toMatchObject({
      code: "failed_precondition",
      message: "ollama cannot be started: there is no program /nowhere/ollama",
    });
    await expect(processes.start(shell("", { path: "/etc/passwd" }))).rejects.toThrow(/EACCES/);
    await expect(processes.start(shell("", { cwd: "/nowhere" }))).rejects.toThrow("cannot be started");
  });

  test("secrets of the agent's environment are not passed on", async () => {
    const env = {
      PATH: process.env["PATH"],
      OPENAI_API_KEY: "s3cret",
      SAI_DB_PASSWORD: "s3cret",
      HOME: "/h",
    };
    const program = await (await open(env)).start(shell("env", { env: { GIVEN: "yes" } }));
    await program.ended;
    expect(program.said()).toContain("HOME=/h");
    expect(program.said()).toContain("GIVEN=yes");
    expect(program.said()).not.toContain("s3cret");
  });

  test("one that talks has its pipes, and only what it complains of is kept", async () => {
    const program = await (await open()).start(shell("cat; echo oh >&2", { talks: true }));
    const heard: Buffer[] = [];
    program.stdio.stdout?.on("data", (part: Buffer) => heard.push(part));
    program.stdio.stdin?.end("ping");
    expect((await program.ended).said).toBe("oh");
    expect(Buffer.concat(heard).toString()).toBe("ping");
  });

  test("above the limit of memory nothing more is started, and what to do is said", async () => {
    const limit = process.memoryUsage.rss() + 300e6;
    const processes = await open(process.env, limit);
    const eater = await processes.start({
      ...{ name: "an eater", path: process.execPath, env: {} },
      args: ["-e", "const a = Buffer.alloc(600e6, 1); console.log(a.length); setInterval(() => {}, 1e6)"],
    });
    await until(() => eater.said() !== "");
    expect(processes.residentBytes()).toBeGreaterThan(limit);
    await expect(processes.start(shell("true"))).rejects.toMatchObject({
      code: "resource_exhausted",
      message: expect.stringMatching(
        /^a shell is not started: .* use \d\.\d GB of memory, \d\.\d GB are allowed$/,
      ),
      hint: expect.stringContaining("system_memory_limit"),
    });
    await eater.stop(0);
    await (await processes.start(shell("true"))).ended;
  });

  test("after close nothing is started", async () => {
    const processes = await open();
    const program = await processes.start(shell("exec sleep 100"));
    await processes.close();
    expect(isAlive(program.pid)).toBe(false);
    await expect(processes.start(shell("true"))).rejects.toThrow("the agent stops");
  });
});
