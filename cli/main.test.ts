/** The command as people start it: a process of its own, its exit code, its two streams. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
const TSX = import.meta.resolve("tsx");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sai-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

function sai(args: string[], env: { [name: string]: string } = {}, cwd = folder): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const base = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SAI_")));
    const child = spawn(process.execPath, ["--import", TSX, MAIN, ...args], {
      cwd,
      env: { ...base, ...env },
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (data) => {
      out += data;
    });
    child.stderr.on("data", (data) => {
      err += data;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

/** Port 9 (discard) on loopback: nobody answers there on a machine that runs tests. */
const NOBODY = "127.0.0.1:9";

describe("arguments", () => {
  test("--help and version are data on stdout, exit 0", async () => {
    const help = await sai(["--help"]);
    expect(help).toMatchObject({ code: 0, err: "" });
    for (const noun of "demo dev init validate apply run campaign result node admin doctor version coordinator agent".split(
      " ",
    ))
      expect(help.out).toMatch(new RegExp(`^  ${noun} `, "m"));
    const version = await sai(["version", "-o", "json"]);
    expect(JSON.parse(version.out)).toMatchObject({ node: process.version });
  });

  test("a usage error is exit 2, and nothing reaches stdout", async () => {
    const { code, out, err } = await sai(["campain", "list"]);
    expect(err).toMatch(/^error: unknown command 'campain'/);
    expect(err).toContain("Did you mean campaign?");
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });

  test("a noun without a verb shows its verbs and is a usage error", async () => {
    const { code, out, err } = await sai(["campaign"]);
    expect(code).toBe(2);
    expect(err).toContain("cancel <id>");
    expect(out).toBe("");
  });
});

describe("precedence and failures", () => {
  test("flag before environment before configuration before default", async () => {
    const config = join(folder, "config.yaml");
    writeFileSync(config, "client:\n  address: 127.0.0.1:7\n");
    const env = { SAI_CONFIG_PATH: config };
    const named = async (args: string[], more: { [name: string]: string }) =>
      /coordinator at (\S+)/.exec((await sai(["node", "list", ...args], { ...env, ...more })).err)?.[1];
    expect(await named([], {})).toBe("127.0.0.1:7");
    expect(await named([], { SAI_ADDRESS: NOBODY })).toBe(NOBODY);
    expect(await named(["--address", "127.0.0.1:1"], { SAI_ADDRESS: NOBODY })).toBe("127.0.0.1:1");
  });

  test("no coordinator: error, cause and hint, exit 1, no stack", async () => {
    const { code, out, err } = await sai(["campaign", "list"], { SAI_ADDRESS: NOBODY });
    expect(code).toBe(1);
    expect(out).toBe("");
    expect(
      err
        .trimEnd()
        .split("\n")
        .map((line) => line.split(":")[0]),
    ).toEqual(["error", "cause", "hint"]);
  });

  test("a wrong configuration is exit 78 and names the variable", async () => {
    const { code, err } = await sai(["node", "list"], { SAI_API_PORT: "abc" });
    expect(code).toBe(78);
    expect(err).toContain("environment SAI_API_PORT: coordinator.http_port: is not a number");
  });

  test("doctor reports a wrong configuration and ends with 78, an ordinary one with 0", async () => {
    const bad = await sai(["doctor", "-o", "json"], { SAI_API_PORT: "abc" });
    expect(bad.code).toBe(78);
    expect(JSON.parse(bad.out).checks).toContainEqual(
      expect.objectContaining({ name: "configuration", result: "fail" }),
    );
    const secret = "sk-very-secret-0123456789";
    const ports = { SAI_COORDINATOR_GRPC_PORT: "0", SAI_COORDINATOR_AGENT_PORT: "0", SAI_API_PORT: "0" };
    const good = await sai(["doctor"], {
      SAI_ADDRESS: NOBODY,
      OPENAI_API_KEY: secret,
      OLLAMA_HOST: NOBODY,
      ...ports,
    });
    expect(good.code).toBe(0);
    expect(good.out).toContain("engines.openai.api_key");
    expect(good.out + good.err).not.toContain(secret);
    expect(good.out).toMatch(/engine openai +ok +https:\/\/api\.openai\.com\/v1: API key set; not asked/);
    expect(readdirSync(folder)).not.toContain(".sai");
  });
});

describe("init and validate", () => {
  test("init writes a suite that validates, and never overwrites", async () => {
    const first = await sai(["init", "start"]);
    expect(first).toMatchObject({ code: 0, out: "start/suite.yaml\nstart/sums.jsonl\n" });
    const suite = join(folder, "start", "suite.yaml");
    const valid = await sai(["validate", "-f", suite, "--show", "2"]);
    expect(valid.err).toBe("");
    expect(valid.out).toContain("ok, 2 jobs, 12 samples");
    expect(valid.out).toContain("What is 3 + 4? Answer with the number only.");
    expect(valid.code).toBe(0);
    writeFileSync(suite, "mine");
    const again = await sai(["init", "start"]);
    expect(again.code).toBe(1);
    expect(again.err).toContain("suite.yaml is already there");
    expect(readFileSync(suite, "utf8")).toBe("mine");
  });

  test("a suite with errors: each with file, line and field, exit 1", async () => {
    const path = join(folder, "bad.yaml");
    writeFileSync(
      path,
      "schema: sai/v1\nname: x\ndescription: y\nprompts: [wildfire_confidence]\nmodels: [m]\ndatasets: ['hf://a/b']\nmetrics: [acuracy]\n",
    );

    const { code, out, err } = await sai(["validate", "-f", path, "--map-model", "*=simulated:x"]);
    expect(code).toBe(1);
    expect(err).toMatch(/^error: bad\.yaml:6: datasets\[0\]: /m);
    expect(err).toMatch(/^error: bad\.yaml:7: metrics\[0\]: /m);
    expect(out).toContain("bad.yaml: not valid");
    const json = await sai(["validate", "-f", path, "-o", "json"]);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false });
  });

  test("flags change the suite: models are picked or added, a bad map is a usage error", async () => {
    await sai(["init", "edit"]);
    const suite = join(folder, "edit", "suite.yaml");
    const picked = await sai(["validate", "-f", suite, "--prompts", "plain", "--show", "5", "-o", "json"]);
    expect(JSON.parse(picked.out)).toMatchObject({ ok: true, jobs: 1 });
    const added = await sai([
      "validate",
      "-f",
      suite,
      "--models",
      "simulated,other",
      "--map-model",
      "other=simulated:x",
      "-o",
      "json",
    ]);
    expect(JSON.parse(added.out)).toMatchObject({ ok: true, jobs: 4 });
    const wrong = await sai(["validate", "-f", suite, "--map-model", "other"]);
    expect(wrong.code).toBe(2);
    expect(wrong.err).toContain("other is not ID=ENGINE:MODEL");
  });
});
