/**
 * Downloads: the real hub client against a STAND-IN for the hub, a server of this process that offers a model with RANDOM
 * WEIGHTS and counts what is fetched. The real hub is never asked.
 */
import { readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { sha256 } from "../../shared/runtime/hash.js";
import { engineErrorOf } from "../support/inference.js";
import { answerOf, type RealEngine, realEngine } from "./engine.js";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const folder = join(inject("models"), "random-text");
let files: Map<string, Buffer>;
let fetched: string[];
let tokens: Set<string | undefined>;
let hub: Server;
let real: RealEngine;

beforeEach(async () => {
  files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
  fetched = [];
  tokens = new Set();
  hub = createServer(answer);
  await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
  const HF_ENDPOINT = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
  real = await realEngine({
    env: { HF_ENDPOINT, HF_HUB_DISABLE_XET: "1" },
    config: { allowDownload: true, token: "hf_of_the_test" },
  });
});
afterEach(async () => {
  await real.close();
  hub.closeAllConnections();
  await new Promise((resolve) => hub.close(resolve));
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  tokens.add(request.headers.authorization);
  const { pathname } = new URL(request.url ?? "/", "http://hub");
  if (/^\/api\/models\/some\/model(\/|$)/.test(pathname)) {
    const siblings = [...files.keys()].map((rfilename) => ({ rfilename }));
    response.setHeader("content-type", "application/json");
    if (pathname.includes("/tree/")) {
      const tree = [...files].map(([path, bytes]) => ({
        type: "file",
        path,
        size: bytes.length,
        oid: sha256(bytes),
      }));
      response.end(JSON.stringify(tree));
      return;
    }
    response.end(JSON.stringify({ id: "some/model", sha: COMMIT, siblings }));
    return;
  }
  const name = /^\/some\/model\/resolve\/[^/]+\/(.+)$/.exec(pathname)?.[1] ?? "";
  const bytes = files.get(name);
  if (bytes === undefined) {
    response.writeHead(404, { "x-error-code": "RepoNotFound" }).end();
    return;
  }
  const etag = `"${sha256(bytes)}"`;
  response.writeHead(200, { etag, "x-repo-commit": COMMIT, "content-length": bytes.length });
  if (request.method === "GET") fetched.push(name);
  response.end(request.method === "GET" ? bytes : undefined);
}

test("what is missing is fetched once, and what other programs want is left there", async () => {
  for (const name of ["pytorch_model.bin", "model.onnx", "a.gguf", "b.gguf"])
    files.set(name, Buffer.from("no"));
  const prepared = await real.load("some/model");
  expect(prepared.identity.digest).toBe(COMMIT);
  expect(fetched.filter((name) => /bin$|onnx$|gguf$/.test(name))).toEqual([]);
  expect(fetched).toContain("model.safetensors");
  expect(tokens).toEqual(new Set(["Bearer hf_of_the_test"]));
  expect((await answerOf(prepared, "Hello")).text).not.toBe("");
  await prepared.unload();
  tokens.clear();
  await (await real.load("some/model")).unload();
  expect(tokens.size).toBe(0);
});

test("an interrupted download is gone on with; without leave to, it is told of", async () => {
  files.set("model.onnx", Buffer.from("no"));
  await (await real.load("some/model")).unload();
  const weights = join(real.cacheDir, "hub/models--some--model/snapshots", COMMIT, "model.safetensors");
  rmSync(weights);
  symlinkSync("../../blobs/never-came", weights);
  const offline = await realEngine({ config: { cacheDir: real.cacheDir } });
  try {
    const error = await engineErrorOf(offline.load("some/model"));
    expect(error.class).toBe("model_missing");
    expect(error.message).toMatch(
      /only partly in .*: it lacks model\.safetensors; fetch it with `hf download some\/model --cache-dir/,
    );
  } finally {
    await offline.close();
  }
  unlinkSync(weights);
  const prepared = await real.load("some/model");
  expect((await answerOf(prepared, "Hello")).text).not.toBe("");
});

test.each([
  ["pickled weights", ["pytorch_model.bin"], "pickled_weights"],
  ["several GGUF files", ["a.gguf", "b.gguf"], "bad_option"],
])("%s are refused before anything is fetched", async (_, names, className) => {
  files.delete("model.safetensors");
  for (const name of names) files.set(name, Buffer.from("no"));
  expect((await engineErrorOf(real.load("some/model"))).class).toBe(className);
  expect(fetched).toEqual([]);
});

test("what the hub does not have is missing", async () => {
  const error = await engineErrorOf(real.load("nobody/nothing"));
  expect([error.class, error.message]).toEqual([
    "model_missing",
    expect.stringContaining("the hub has no nobody/nothing"),
  ]);
});
