/** Real gRPC servers with scripted handlers, for tests of the client and of what waits on it. */
import { Server, ServerCredentials, type ServiceError, status } from "@grpc/grpc-js";
import { CampaignServiceService } from "../shared/gen/sai/v1/campaign.js";

/** What to stop after a test. */
export const stops: (() => void)[] = [];
export const stopServers = (): void => {
  for (const stop of stops.splice(0).reverse()) stop();
};

/** A server on a free port with the given handlers; answers its address. */
export async function serve(add: (server: Server) => void): Promise<string> {
  const server = new Server();
  add(server);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  stops.push(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

export const unimplemented = (_: unknown, callback: (error: Partial<ServiceError>) => void) =>
  callback({ code: status.UNIMPLEMENTED, details: "not in this test" });
export const noStream = (call: { destroy(error: Error): void }) =>
  call.destroy(new Error("not in this test"));

/** The campaign service with some handlers; the others are UNIMPLEMENTED. */
export const campaigns = (more: object) => (server: Server) =>
  server.addService(CampaignServiceService, {
    createCampaign: unimplemented,
    validateCampaign: unimplemented,
    getCampaign: unimplemented,
    listCampaigns: unimplemented,
    cancelCampaign: unimplemented,
    watchCampaign: noStream,
    ...more,
  });
