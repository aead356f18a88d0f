/**
 * Services of a server that stays where it is while what it serves changes: whoever is in charge registers a whole set,
 * which takes the place of the set before.
 */
import type { Server, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";

/** Where services are registered: a server, or a set for one. */
export type ServiceTable = Pick<Server, "addService">;

/** Services that were registered together. */
export class ServiceSet implements ServiceTable {
  readonly services: { definition: ServiceDefinition; implementation: UntypedServiceImplementation }[] = [];

  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    this.services.push({ definition, implementation });
  }
}

/** Puts a set in the place of another; calls that run go on. */
export function replaceServices(server: Server, before: ServiceSet | undefined, after: ServiceSet): void {
  for (const { definition } of before?.services ?? []) server.removeService(definition);
  for (const { definition, implementation } of after.services) server.addService(definition, implementation);
}
