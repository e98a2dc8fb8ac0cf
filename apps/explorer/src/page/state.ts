/** What the page knows and shows. */
import type { FileIdentity } from "../file_on_server.ts";
import type {
  BackendChoice,
  LogitsDifference,
  Look,
  ModelFacts,
  Progress,
  RegroupReport,
  RemoteModel,
  RowScores,
  Stage,
  StoredModel,
  Token,
} from "../protocol.ts";
import type { Plotting } from "./charts.ts";
import { Store } from "./store.ts";

/** A model that the page's own server has. */
export interface OfferedModel extends RemoteModel, FileIdentity {}

/** How fast a backend was: tokens a second. */
export interface Speeds {
  readonly prompt?: number;
  readonly writing?: number;
}

/** The page's state. */
export interface State {
  readonly offered: readonly OfferedModel[];
  readonly stored: readonly StoredModel[];
  /** What is being loaded. */
  readonly loading: { readonly name: string; readonly progress: Progress | undefined } | undefined;
  readonly model: ModelFacts | undefined;
  /** What went wrong last, until it is dismissed. */
  readonly problem: string | undefined;

  readonly backend: BackendChoice;
  /** What it is, in words. */
  readonly backendSays: string;
  readonly switching: boolean;
  readonly speeds: Readonly<Partial<Record<BackendChoice, Speeds>>>;
  readonly difference: LogitsDifference | undefined;

  readonly tokens: readonly Token[];
  readonly promptTokens: number;
  readonly generating: boolean;
  readonly cacheBytes: number;

  readonly layer: number;
  readonly head: number;
  readonly stage: Stage;
  /** The token whose row is looked at. */
  readonly token: number;
  /** Whether that is always the newest one, until another is pointed at. */
  readonly follows: boolean;
  /** The token that is looked at, where one is pointed at. */
  readonly key: number | undefined;
  readonly look: Look | undefined;
  /** The chosen head's weights, for the shading of the text, whatever stage is shown. */
  readonly weights: Look | undefined;
  readonly row: RowScores | undefined;

  /** Key/value heads of the model beside the original; as many as the original's for none. */
  readonly kvHeads: number;
  readonly regrouping: boolean;
  readonly regroup: RegroupReport | undefined;
  readonly regroupedLook: Look | undefined;
  readonly dark: boolean;
  /** Pixels that the page's parts have, side by side: charts are drawn again where it changes. */
  readonly width: number;
  /** The plotting library, once it is there. */
  readonly plot: Plotting | undefined;
}

/** The page's store. */
export type PageStore = Store<State>;

/** A store before anything has happened. */
export function createStore(): PageStore {
  return new Store<State>({
    ...{ offered: [], stored: [], loading: undefined, model: undefined, problem: undefined },
    ...{ backend: "wasm", backendSays: "", switching: false, speeds: {}, difference: undefined },
    ...{ tokens: [], promptTokens: 0, generating: false, cacheBytes: 0 },
    ...{
      layer: 0,
      head: 0,
      stage: "weights",
      token: 0,
      follows: true,
      key: undefined,
      look: undefined,
      weights: undefined,
      row: undefined,
    },
    ...{ kvHeads: 0, regrouping: false, regroup: undefined, regroupedLook: undefined },
    ...{ dark: false, width: 0, plot: undefined },
  });
}
