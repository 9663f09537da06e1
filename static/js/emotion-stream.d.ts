/** Types of emotion-stream.js. What the messages mean is in docs/protocol.md, how to embed it in docs/embedding.md. */

export type Label = "angry" | "disgust" | "fear" | "happy" | "neutral" | "sad" | "surprise";

/** Of all seven labels, summing to one; empty where a path has nothing to say. */
export type Probabilities = { [label in Label]?: number };

export interface Part<State extends string> {
  state: State;
  /** The most probable label, null where there is nothing to say. */
  label: Label | null;
  probs: Probabilities;
}

export interface Result {
  type: "result";
  /** Seconds since the session began. */
  t: number;
  voice: Part<"ok" | "silence" | "warming" | "absent">;
  face: Part<"ok" | "no_face" | "stale" | "absent"> & {
    /** x, y, width, height as fractions of the picture, not mirrored. */
    box: [number, number, number, number] | null;
  };
  fused: Part<"ok" | "voice_only" | "face_only" | "none"> & {
    /** What put both together: late fusion, or a server's fusion model; null where one alone is shown, or nothing. */
    by: "late" | "model" | null;
  };
  /** The most probable labels of `fused`, the first letter a capital. */
  top5: { label: Capitalize<Label>; prob: number }[];
  /** Loudness of the sound since the last result, 0 to 1. */
  level: number;
  /** Ids, as `sendAudio` and `sendFrame` returned them, of the newest sound and picture behind what is shown. */
  used: { audio: number | null; frame: number | null };
  dropped: { frames: number; audio: number; results: number };
  /** Milliseconds. */
  ms: { voice: number | null; face: number | null; fusion: number | null; total: number };
}

/** What a viewer may set. */
export interface ViewerSettings {
  /** Weight of the voice in late fusion, 0 to 1. */
  fusion_weight: number;
  /** Voice windows that are averaged, 1 to 50. */
  voice_smoothing: number;
  /** Pictures that are averaged, 1 to 50. */
  face_smoothing: number;
}

/** Of a device; those of a server are its own. */
export interface DeviceSettings extends ViewerSettings {
  /** Seconds between two results. */
  result_interval: number;
  /** Seconds of sound in one voice window. */
  voice_window: number;
  /** A window below this loudness (0 to 1) is silence. */
  silence_rms: number;
  /** Seconds until a picture is stale, and a microphone that sends nothing absent. */
  stale_after: number;
  /** Seconds of a neutral voice, and of a neutral face, that a calibration collects. */
  calibration_seconds: number;
}

export interface Ready {
  type: "ready";
  protocol: 1;
  session: string;
  labels: Label[];
  /** Names; `fusion` is null for late fusion. */
  models: { voice: string; face: string; fusion: string | null };
  /** The labels that each model can say. */
  knows: { voice: Label[]; face: Label[]; fusion: Label[] | null };
  /** Why the preferred face model could not be had, or null. */
  fallback: string | null;
  settings: ViewerSettings & Pick<DeviceSettings, "result_interval" | "voice_window" | "silence_rms">;
  /** Bounds of what may be set; the three of messages are null on a device, which has none. */
  limits: { [setting in keyof ViewerSettings]: [number, number] } & {
    message_bytes: number | null;
    frame_bytes: number | null;
    frame_pixels: number | null;
  };
  features: { calibration: boolean };
}

export interface Calibration {
  type: "calibration";
  state: "none" | "collecting" | "done" | "failed";
  /** How near the end of collecting is, 0 to 1. */
  progress: number;
  /** Whether something learnt of the voice is in force; `face` the same. */
  voice: boolean;
  face: boolean;
  /** How much of the voice that is needed was collected, 0 to 1; null where its model cannot be calibrated. */
  heard: number | null;
  seen: number | null;
}

/** The `error` message: something went wrong. */
export interface Problem {
  type: "error";
  code: string;
  /** For people. */
  message: string;
  /** Whether the stream goes on. */
  recoverable: boolean;
}

export interface State {
  state: "connecting" | "open" | "waiting" | "closed";
  /** Of `waiting`, which only a server's stream is: the pause before the next attempt. */
  retryInMs?: number;
  /**
   * Of `waiting`: "lost", "full" or "address_full". Of `closed`, where nobody called `close`: "device" (a `problem`
   * before it says why), "version", "token" (the server wants one), or why the server refuses, "unauthorized",
   * "origin_refused", "abuse", "too_big", "idle", "session_over", "refused".
   */
  reason?: string;
}

export interface EmotionStreamEvents {
  state: CustomEvent<State>;
  ready: CustomEvent<Ready>;
  /** `delayMs`: how long ago the newest of what it shows was handed over; null where nothing new was used. */
  result: CustomEvent<{ result: Result; delayMs: { audio: number | null; frame: number | null } }>;
  calibration: CustomEvent<Calibration>;
  problem: CustomEvent<Problem>;
  /** Bytes of this device's models, while they load. */
  progress: CustomEvent<{ loaded: number; total: number }>;
  /** After `start`: how a device fares. */
  device: CustomEvent<{ device: "camera" | "microphone"; state: "live" | "muted" | "lost" }>;
}

export interface Options {
  /** Who answers: a server (default), or the models in this browser. */
  source?: "server" | "device";
  /** Of the server's stream, `wss://.../ws`, or of the server; by default of the one from which the module comes. */
  url?: string | URL;
  /** Of the device's models: the address of the folder that has `static` and `device`; by default where the module is. */
  base?: string | URL;
  /** Of the device. */
  settings?: Partial<DeviceSettings>;
}

export interface StartOptions {
  /** Shows the camera's picture. The one of the first call stays. */
  video?: HTMLVideoElement;
  /** A device id, "" for the default one, null for none. */
  camera?: string | null;
  microphone?: string | null;
}

/** Of `start`: a device that could not be had. */
export interface Missing {
  device: "camera" | "microphone";
  reason: "refused" | "missing" | "busy" | "failed" | "unloaded";
}

/** Voice and face in, results out: through a server, or with the models in this browser. */
export class EmotionStream extends EventTarget {
  /**
   * @param options a server's address, or more
   * @throws {TypeError | RangeError} there is no such source or setting, or a value or an address cannot be meant so
   */
  constructor(options?: string | URL | Options);

  /** Setting it closes what is open; what was set holds for the new one too. */
  source: "server" | "device";
  /** What to show a server that asks who we are. */
  token: string | null;
  readonly isReady: boolean;
  /** Bytes that wait to leave; a sender of pictures looks here first. */
  readonly bufferedAmount: number;
  /** What `sendFrame` takes: an ArrayBuffer with a JPEG, or an ImageBitmap, which belongs to the stream from then on. */
  readonly frameKind: "jpeg" | "bitmap";

  /**
   * Open the stream, and camera and microphone for it. Resolves with what could not be had, or null where a `stop` came
   * first; with no device at all the stream is closed again, and a stream that closes releases them.
   */
  start(options?: StartOptions): Promise<Missing[] | null>;
  /** Release camera and microphone, and close the stream. */
  stop(): void;

  /** Open the stream alone, for sound and pictures of one's own. */
  open(): void;
  close(): void;
  /** Send 16 kHz mono sound, best 100 ms at a time; return its id, or null where it was not sent. @throws {TypeError} */
  sendAudio(samples: Int16Array): number | null;
  /** Send a picture, see `frameKind`; return its id, or null where it was not sent. @throws {TypeError} of another kind */
  sendFrame(frame: ArrayBuffer | ImageBitmap | ImageData): number | null;
  /** Change this viewer's settings; they are sent again after a reconnect. @throws {TypeError | RangeError} */
  configure(settings: Partial<ViewerSettings>): void;
  /** Learn how this viewer is when neutral, stop that, or forget it; return whether there is somebody to tell. */
  calibrate(action: "start" | "skip" | "reset"): boolean;

  addEventListener<Type extends keyof EmotionStreamEvents>(
    type: Type,
    listener: (this: EmotionStream, event: EmotionStreamEvents[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof EmotionStreamEvents>(
    type: Type,
    listener: (this: EmotionStream, event: EmotionStreamEvents[Type]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
