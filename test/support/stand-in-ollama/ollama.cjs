#!/usr/bin/env node
// A stand-in for the `ollama` program, for tests of what is around it: `--version`, and `serve` with as much of its API as
// an engine asks for, on OLLAMA_HOST. Models are the manifests below OLLAMA_MODELS; a model's name says what goes wrong.
// It computes nothing: its answers are the words "one two three".
const { spawn } = require("node:child_process");
const { createHash } = require("node:crypto");
const { once } = require("node:events");
const { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { join } = require("node:path");

const [command, model] = process.argv.slice(2);
if (command === "--version") {
  console.log("Warning: could not connect to a running Ollama instance");
  console.log("Warning: client version is 0.99.0-stand-in");
} else if (command === "runner") {
  console.log("computing");
  setInterval(() => {}, 1e6);
} else if (command === "serve") serve();
else {
  console.error(`Error: unknown command "${command}" for "ollama"`, model ?? "");
  process.exit(1);
}

function serve() {
  const dir = join(process.env.OLLAMA_MODELS, "manifests/registry.ollama.ai/library");
  const note = (what) => appendFileSync(join(process.env.OLLAMA_MODELS, "seen"), `${JSON.stringify(what)}\n`);
  note({
    env: Object.fromEntries(Object.entries(process.env).filter(([k]) => /OLLAMA|DEVICES|CUDA/.test(k))),
  });
  const [host, port] = process.env.OLLAMA_HOST.split(":");
  let runner;
  const models = () =>
    readdirSync(dir).flatMap((name) =>
      readdirSync(join(dir, name)).map((tag) => {
        const digest = createHash("sha256")
          .update(readFileSync(join(dir, name, tag)))
          .digest("hex");
        const inGpu =
          name === "split" ? 40 : name === "cpuonly" || process.env.CUDA_VISIBLE_DEVICES === "-1" ? 0 : 100;
        const details = { quantization_level: "Q4_0" };
        return { name: `${name}:${tag}`, digest, size: 100, size_vram: inGpu, details, context_length: 512 };
      }),
    );
  const answer = (res, status, value) => {
    res.writeHead(status, { "content-type": "application/json" });
    res.end(JSON.stringify(value));
  };
  const loads = async (name) => {
    if (runner && runner.exitCode === null && runner.signalCode === null) return;
    if (name.startsWith("slow")) await new Promise((go) => setTimeout(go, 700));
    runner = spawn(process.argv[1], ["runner", "--model", name], { stdio: ["ignore", "pipe", "ignore"] });
    await once(runner.stdout, "data");
  };
  createServer(async (req, res) => {
    let text = "";
    for await (const part of req) text += part;
    const body = text === "" ? {} : JSON.parse(text);
    const name = String(body.model ?? body.name ?? "");
    if (text !== "") note({ path: req.url, ...body });
    if (req.url === "/api/version") return answer(res, 200, { version: "0.99.0" });
    if (req.url === "/api/tags") return answer(res, 200, { models: models() });
    if (req.url === "/api/ps")
      return answer(res, 200, { models: models().filter((one) => !one.name.startsWith("unseen")) });
    if (req.url === "/api/pull") return pull(res, name);
    if (name.startsWith("full"))
      return answer(res, 500, { error: "model requires more system memory (9 GiB)" });
    if (name.startsWith("vague")) {
      console.error("ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory");
      return answer(res, 500, { error: "llama runner process has terminated: exit status 2" });
    }
    await loads(name);
    if (req.url === "/api/generate") return answer(res, 200, { model: name, response: "", done: true });
    res.writeHead(200, { "content-type": "application/x-ndjson" });
    const line = (value) => res.write(`${JSON.stringify({ model: name, ...value })}\n`);
    const words = name.startsWith("endless") ? Array(1e5).fill("on ") : ["one ", "two ", "three"];
    for (const content of words) {
      line({ message: { role: "assistant", content }, done: false });
      await new Promise((go) => setTimeout(go, 5));
      if (res.destroyed) return;
      if (name.startsWith("silent")) return res.end();
      if (name.startsWith("error")) {
        line({ error: "an error was encountered while running the model: unexpected EOF" });
        return res.end();
      }
      // As the real one: the answer of a runner that ended just stops.
      if (runner.signalCode !== null) return res.end();
    }
    line({ message: { role: "assistant", content: "" }, done: true, done_reason: "stop", eval_count: 3 });
    res.end();
  }).listen(Number(port), host);
  // Its runners end with it.
  process.on("SIGTERM", () => {
    runner?.kill("SIGKILL");
    process.exit(0);
  });

  function pull(res, name) {
    res.writeHead(200, { "content-type": "application/x-ndjson" });
    res.write(`${JSON.stringify({ status: "pulling manifest" })}\n`);
    res.write(`${JSON.stringify({ status: "pulling abc", total: 10, completed: 5 })}\n`);
    if (name.startsWith("nowhere"))
      return res.end(`${JSON.stringify({ error: "pull model manifest: file does not exist" })}\n`);
    if (name.startsWith("cut")) return res.end();
    const [model, tag = "latest"] = name.split(":");
    mkdirSync(join(dir, model), { recursive: true });
    writeFileSync(join(dir, model, tag), `{"pulled": "${name}"}`);
    res.end(`${JSON.stringify({ status: "success" })}\n`);
  }
}
