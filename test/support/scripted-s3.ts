/**
 * STAND-IN for an S3 server, in this process: as much of its HTTP as the store uses, over a map, without signatures. It
 * exists for the answers that no real server gives when asked to: cut off, damaged, silent, refused. A real server is in
 * s3-server.ts.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface S3Request {
  method: string;
  /** Without the bucket. */
  key: string;
  query: URLSearchParams;
  /** Who signed it. */
  accessKeyId: string;
  body: Buffer;
}

/** Answers a request itself (true), or lets the stand-in do it. */
export type Script = (request: S3Request, response: ServerResponse) => boolean | Promise<boolean>;

export interface ScriptedS3 {
  endpoint: string;
  objects: Map<string, Buffer>;
  /** Uploads in parts that have not ended. */
  uploads: Map<string, { key: string; parts: Map<number, Buffer> }>;
  requests: S3Request[];
  script: Script;
  /** False: a server that overlooks If-None-Match. */
  honours: boolean;
  close(): Promise<void>;
}

export const refuse = (response: ServerResponse, status: number, code: string): true => {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}, as scripted</Message></Error>`,
  );
  return true;
};

export async function startScriptedS3(): Promise<ScriptedS3> {
  const server = createServer((request, response) => {
    void handle(s3, request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const s3: ScriptedS3 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ objects: new Map(), uploads: new Map(), requests: [], script: () => false, honours: true },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return s3;
}

async function handle(s3: ScriptedS3, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(message.url ?? "/", s3.endpoint);
  const pieces: Buffer[] = [];
  for await (const piece of message) pieces.push(piece as Buffer);
  const request: S3Request = {
    method: message.method ?? "",
    key: decodeURIComponent(url.pathname).replace(/^\/[^/]+\/?/, ""),
    query: url.searchParams,
    accessKeyId: /Credential=([^/]+)/.exec(message.headers.authorization ?? "")?.[1] ?? "",
    body: Buffer.concat(pieces),
  };
  s3.requests.push(request);
  if (await s3.script(request, response)) return;
  answer(s3, request, message.headers["if-none-match"] === "*" && s3.honours, response);
}

function answer(
  s3: ScriptedS3,
  { method, key, query, body }: S3Request,
  onlyNew: boolean,
  response: ServerResponse,
) {
  const xml = (text: string) => void response.writeHead(200).end(`<?xml version="1.0"?>${text}`);
  const id = query.get("uploadId") ?? "";
  const isNew = () => !onlyNew || !s3.objects.has(key) || !refuse(response, 412, "PreconditionFailed");
  if (method === "GET" && query.has("uploads")) {
    const begun = [...s3.uploads].filter(([, upload]) => upload.key.startsWith(query.get("prefix") ?? ""));
    const lines = begun.map(
      ([made, upload]) =>
        `<Upload><Key>${upload.key}</Key><UploadId>${made}</UploadId><Initiated>2020-01-01T00:00:00Z</Initiated></Upload>`,
    );
    return xml(`<ListMultipartUploadsResult>${lines.join("")}</ListMultipartUploadsResult>`);
  }
  if (method === "POST" && query.has("uploads")) {
    const made = `upload-${s3.requests.length}`;
    s3.uploads.set(made, { key, parts: new Map() });
    return xml(`<InitiateMultipartUploadResult><UploadId>${made}</UploadId></InitiateMultipartUploadResult>`);
  }
  if (method === "PUT" && id) {
    s3.uploads.get(id)?.parts.set(Number(query.get("partNumber")), body);
    return void response.writeHead(200, { etag: `"${query.get("partNumber")}"` }).end();
  }
  if (method === "POST" && id) {
    const upload = s3.uploads.get(id);
    if (upload === undefined) return void refuse(response, 404, "NoSuchUpload");
    if (!isNew()) return;
    const parts = [...upload.parts].sort(([a], [b]) => a - b);
    s3.objects.set(key, Buffer.concat(parts.map(([, bytes]) => bytes)));
    s3.uploads.delete(id);
    return xml("<CompleteMultipartUploadResult/>");
  }
  if (method === "DELETE") {
    if (id) s3.uploads.delete(id);
    else s3.objects.delete(key);
    return void response.writeHead(204).end();
  }
  if (method === "PUT") {
    if (!isNew()) return;
    s3.objects.set(key, body);
    return void response.writeHead(200, { etag: '"1"' }).end();
  }
  const found = s3.objects.get(key);
  if (found === undefined) {
    if (method === "HEAD") return void response.writeHead(404).end();
    return void refuse(response, 404, "NoSuchKey");
  }
  response.writeHead(200, { "content-length": found.byteLength });
  return void response.end(method === "HEAD" ? undefined : found);
}
