import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials, type Server } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GetNodeRequest, GetNodeResponse, NodeServiceService } from "../gen/sai/v1/node.js";
import { SaiError } from "../runtime/errors.js";
import { addHealth } from "./health.js";
import { addReflection } from "./reflection.js";
import { type CallObserver, type Listening, listen, newServer, unary } from "./serve.js";
import { fromServiceError } from "./status.js";
import { loadThirdParty } from "./third-party.js";

let server: Server;
let listening: Listening;
let client: Client;
let serving = true;
const unexpected: unknown[] = [];
const ended: string[] = [];

beforeEach(async () => {
  server = newServer();
  const calls: CallObserver = {
    failed: (_method, error) => void unexpected.push(error),
    ended: (method, status) => void ended.push(`${method} ${status}`),
  };
  server.addService(NodeServiceService, {
    listNodes: unary(calls, () => ({ nodes: [] })),
    getNode: unary(calls, (request: GetNodeRequest) => {
      if (request.id === "") {
        throw new SaiError("invalid_argument", "the request has an error", {
          hint: "name a node",
          violations: [{ field: "id", description: "is required" }],
        });
      }
      throw new Error(`secret detail of ${request.id}`);
    }),
  });
  addReflection(server, ["sai.v1.NodeService"]);
  addHealth(server, ["sai.v1.NodeService"], () => serving);
  listening = await listen(server, "127.0.0.1", { value: 0, explicit: false }, "coordinator.grpc_port");
  client = new Client(listening.address, credentials.createInsecure());
});
afterEach(async () => {
  client.close();
  await listening.stop(100);
});

const getNode = (id: string) =>
  new Promise<GetNodeResponse>((resolve, reject) => {
    client.makeUnaryRequest(
      "/sai.v1.NodeService/GetNode",
      (r: GetNodeRequest) => Buffer.from(GetNodeRequest.encode(r).finish()),
      GetNodeResponse.decode,
      { id },
      (error, answer) => (error ? reject(error) : resolve(answer as GetNodeResponse)),
    );
  });

test("violations and hints survive the wire", async () => {
  const error = fromServiceError(await getNode("").catch((e) => e), "GetNode");
  expect(error).toMatchObject({
    code: "invalid_argument",
    message: "the request has an error",
    hint: "name a node",
    violations: [{ field: "id", description: "is required" }],
  });
  expect(ended.at(-1)).toBe("/sai.v1.NodeService/GetNode INVALID_ARGUMENT");
});

test("an unexpected error tells the log, not the caller", async () => {
  const error = fromServiceError(await getNode("n1").catch((e) => e), "GetNode");
  expect(error.code).toBe("internal");
  expect(error.message).not.toContain("secret");
  expect(String(unexpected.at(-1))).toContain("secret detail of n1");
});

test.each([
  "v1",
  "v1alpha",
])("reflection %s lists services and serves usable descriptors", async (version) => {
  const name = `grpc.reflection.${version}.ServerReflection`;
  const definition = loadThirdParty(`grpc/reflection/${version}/reflection.proto`, name);
  const method = definition["ServerReflectionInfo"];
  if (!method) throw new Error("no method");
  const stream = client.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
  );
  const ask = (request: object) =>
    new Promise<Record<string, never>>((resolve) => {
      stream.once("data", resolve);
      stream.write(request);
    });
  const list = await ask({ listServices: "" });
  expect(list["listServicesResponse"]).toEqual({ service: [{ name: "sai.v1.NodeService" }] });
  for (const symbol of ["sai.v1.NodeService", "sai.v1.Node", "sai.v1.NodeService.GetNode"]) {
    const found = (await ask({ fileContainingSymbol: symbol }))["fileDescriptorResponse"] as unknown as {
      fileDescriptorProto: Buffer[];
    };
    const file = fromBinary(FileDescriptorProtoSchema, found.fileDescriptorProto[0] as Buffer);
    expect(file.name).toBe("sai/v1/node.proto");
  }
  const byName = await ask({ fileByFilename: "google/rpc/error_details.proto" });
  expect(byName["fileDescriptorResponse"]).toBeDefined();
  expect((await ask({ fileContainingSymbol: "sai.v1.Nothing" }))["errorResponse"]).toMatchObject({
    errorCode: 5,
  });
  stream.end();
});

test("health follows the server", async () => {
  const method = loadThirdParty("grpc/health/v1/health.proto", "grpc.health.v1.Health")["Check"];
  if (!method) throw new Error("no method");
  const check = (service?: string) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        { service },
        (e, r) => (e ? reject(e) : resolve(r)),
      );
    });
  expect(await check("")).toEqual({ status: "SERVING" });
  expect(await check()).toEqual({ status: "SERVING" });
  serving = false;
  expect(await check("sai.v1.NodeService")).toEqual({ status: "NOT_SERVING" });
  serving = true;
  await expect(check("nobody")).rejects.toMatchObject({ code: 5 });
});

test("an explicit port that is taken fails and says so, an implied one moves on", async () => {
  const port = Number(listening.address.split(":")[1]);
  const other = newServer();
  const key = "coordinator.grpc_port";
  await expect(listen(other, "127.0.0.1", { value: port, explicit: true }, key)).rejects.toThrow(
    `${key}: port ${port} is in use`,
  );
  const moved = await listen(other, "127.0.0.1", { value: port, explicit: false }, key);
  expect(moved.moved).toBe(true);
  expect(moved.address).not.toBe(listening.address);
  await moved.stop(100);
});
