/** The page of one participant: bench_peers.ts calls `peerHost` from outside. */
import { Host } from "./host.ts";

declare global {
  /** The participant of this page. */
  var peerHost: Host;
}

globalThis.peerHost = new Host();
