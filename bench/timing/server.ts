/**
 * The far side: a server in a process of its own that streams chats by a script and notes when it wrote what, on the
 * clock that all processes of this machine share. It answers the questions of `ServerQuestions` on its stdin.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answer } from "../support/asking.js";
import { AT_ONCE, MODEL, type Parts, partsOf, type Script, type Served } from "./script.js";

export type ServerQuestions = {
  /** Where it listens. */
  url(about: object): Promise<string>;
  /** Another script, and nothing seen yet. */
  play(about: Script): Promise<object>;
  seen(about: object): Promise<Served[]>;
  /** Answers ended in each second since the first request. */
  ended(about: object): Promise<number[]>;
};

const STREAM = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
const nowNs = (): number => Number(process.hrtime.bigint());

let script = AT_ONCE;
let parts: Parts = partsOf(script);
let whole = Buffer.from("");
let seen: Served[] = [];
let firstNs: number | undefined;
let bySecond: number[] = [];

function chat(req: IncomingMessage, res: ServerResponse): void {
  const receivedNs = nowNs();
  firstNs ??= receivedNs;
  let body = "";
  req.setEncoding("latin1");
  req.on("data", (piece: string) => {
    body += piece;
  });
  req.on("end", () => {
    res.writeHead(200, STREAM);
    if (script.gapMs > 0) return void stream(body, receivedNs, res);
    res.end(whole);
    count(nowNs());
  });
}

function stream(body: string, receivedNs: number, res: ServerResponse): void {
  const key = /\[(\w+ \w+)\]/.exec(body)?.[1] ?? "";
  const { tokens, firstMs, gapMs, endMs } = script;
  const its: Served = { key, receivedNs, firstNs: 0, lastNs: 0, doneNs: 0 };
  res.write(parts.role);
  let written = 0;
  const token = () => {
    its.lastNs = nowNs();
    if (written === 0) its.firstNs = its.lastNs;
    res.write(parts.token);
    written += 1;
    if (written < tokens) setTimeout(token, gapMs);
    else setTimeout(end, endMs);
  };
  const end = () => {
    its.doneNs = nowNs();
    res.end(parts.end);
    seen.push(its);
    count(its.doneNs);
  };
  setTimeout(token, firstMs + ((seen.length * 7) % 10));
}

function count(atNs: number): void {
  const second = Math.floor((atNs - (firstNs ?? atNs)) / 1e9);
  bySecond[second] = (bySecond[second] ?? 0) + 1;
}

const server = createServer((req, res) => {
  if (req.method === "POST") return chat(req, res);
  res.writeHead(200, { "content-type": "application/json" });
  res.end(JSON.stringify({ object: "list", data: [{ id: MODEL, object: "model" }] }));
});
server.keepAliveTimeout = 60_000;
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 1024, resolve));

await answer({
  url: async () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  play: async (about) => {
    script = about;
    parts = partsOf(script);
    whole = Buffer.from(parts.role + parts.token.repeat(script.tokens) + parts.end);
    [seen, firstNs, bySecond] = [[], undefined, []];
    return {};
  },
  seen: async () => seen,
  ended: async () => Array.from(bySecond, (n) => n ?? 0),
} satisfies ServerQuestions);
server.close();
server.closeAllConnections();
