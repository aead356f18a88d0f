import { fileURLToPath } from "node:url";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** A service of third_party/proto (health, reflection), loaded at run time. Throws if the file lacks it. */
export function loadThirdParty(file: string, service: string): ServiceDefinition {
  const root = fileURLToPath(new URL("../../third_party/proto/", import.meta.url));
  const definition = loadSync(file, { includeDirs: [root], oneofs: true, enums: String })[service];
  if (definition === undefined || "format" in definition)
    throw new Error(`${file} has no service ${service}`);
  return definition;
}
