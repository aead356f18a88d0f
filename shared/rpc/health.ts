/** grpc.health.v1: SERVING for the whole server and each named service while `serving()` says so. */
import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from "@grpc/grpc-js";
import type { ServiceTable } from "./services.js";
import { loadThirdParty } from "./third-party.js";

interface HealthRequest {
  service?: string;
}

const WATCH_MS = 1000;

/** Adds the health service. `Watch` sends changes, looked at once a second, until the client or the server ends. */
export function addHealth(server: ServiceTable, services: readonly string[], serving: () => boolean): void {
  const known = new Set(["", ...services]);
  const now = () => ({ status: serving() ? "SERVING" : "NOT_SERVING" });
  server.addService(loadThirdParty("grpc/health/v1/health.proto", "grpc.health.v1.Health"), {
    check(call: ServerUnaryCall<HealthRequest, object>, callback: sendUnaryData<object>) {
      // proto-loader leaves an empty field out.
      const name = call.request.service ?? "";
      if (known.has(name)) callback(null, now());
      else callback({ code: status.NOT_FOUND, details: `no service ${name}` });
    },
    list(_call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>) {
      callback(null, { statuses: Object.fromEntries([...known].map((name) => [name, now()])) });
    },
    watch(call: ServerWritableStream<HealthRequest, { status: string }>) {
      let last = "";
      const send = () => {
        const next = known.has(call.request.service ?? "") ? now() : { status: "SERVICE_UNKNOWN" };
        // Whoever does not read gets the newest once there is room, not every change there was.
        if (next.status === last || call.writableNeedDrain) return;
        call.write(next);
        last = next.status;
      };
      const timer = setInterval(send, WATCH_MS);
      timer.unref();
      call.on("cancelled", () => clearInterval(timer));
      call.on("close", () => clearInterval(timer));
      send();
    },
  });
}
