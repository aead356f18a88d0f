/**
 * Server reflection, v1 and v1alpha, over the committed descriptor set, so that grpcurl and buf curl need no proto
 * files. Ours, because @grpc/reflection serves descriptors that those clients cannot resolve.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createFileRegistry, type FileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import type { ServiceTable } from "./services.js";
import { loadThirdParty } from "./third-party.js";

interface ReflectionRequest {
  fileByFilename?: string;
  fileContainingSymbol?: string;
  listServices?: string;
  messageRequest?: string;
}

/** Adds both reflection services for exactly the named services (full names, such as `sai.v1.NodeService`). */
export function addReflection(server: ServiceTable, services: readonly string[]): void {
  const file = fileURLToPath(new URL("../gen/sai.binpb", import.meta.url));
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(file)));
  const list = [...services].sort().map((name) => ({ name }));
  for (const version of ["v1", "v1alpha"]) {
    const definition = loadThirdParty(
      `grpc/reflection/${version}/reflection.proto`,
      `grpc.reflection.${version}.ServerReflection`,
    );
    server.addService(definition, {
      serverReflectionInfo(stream: ServerDuplexStream<ReflectionRequest, object>) {
        stream.on("data", (request: ReflectionRequest) => {
          // Whoever asks and does not read is not heard further.
          if (stream.write({ originalRequest: request, ...answer(registry, list, request) })) return;
          stream.pause();
          stream.once("drain", () => stream.resume());
        });
        stream.on("end", () => stream.end());
        stream.on("error", () => stream.end());
      },
    });
  }
}

function answer(registry: FileRegistry, services: { name: string }[], request: ReflectionRequest): object {
  if (request.messageRequest === "listServices") return { listServicesResponse: { service: services } };
  const name = request.fileByFilename ?? request.fileContainingSymbol ?? "";
  const found =
    request.messageRequest === "fileByFilename" ? fileNamed(registry, name) : fileOf(registry, name);
  if (found === undefined) {
    return { errorResponse: { errorCode: status.NOT_FOUND, errorMessage: `no file or symbol ${name}` } };
  }
  return {
    fileDescriptorResponse: {
      fileDescriptorProto: [Buffer.from(toBinary(FileDescriptorProtoSchema, found.proto))],
    },
  };
}

// Descriptors name files without their extension.
const fileNamed = (registry: FileRegistry, name: string) => registry.getFile(name);

/** The file of a message, enum, service, or of a method or field given as `<parent>.<name>`. */
function fileOf(registry: FileRegistry, symbol: string) {
  const found = registry.get(symbol) ?? registry.get(symbol.slice(0, symbol.lastIndexOf(".")));
  return found?.kind === "extension" ? undefined : found?.file;
}
