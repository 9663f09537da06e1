/** Runs on the audio thread: any device rate, any channels -> 16 kHz mono Int16 in 100 ms chunks. */

import { Resampler } from "./resampler.js";

const OUTPUT_RATE = 16_000;
const CHUNK_SAMPLES = OUTPUT_RATE / 10;

class VoiceCapture extends AudioWorkletProcessor {
  #resampler = new Resampler(Math.round(sampleRate), OUTPUT_RATE);
  #chunk = new Int16Array(CHUNK_SAMPLES);
  #filled = 0;
  #energy = 0;

  process([channels]) {
    // No channels: the device has gone or is muted. Nothing is sent rather than invented silence.
    if (channels.length > 0) this.#resampler.process(mixDown(channels)).forEach((x) => this.#push(x));
    return true;
  }

  #push(sample) {
    const clipped = Math.max(-1, Math.min(1, sample));
    this.#chunk[this.#filled] = Math.round(clipped * 32767);
    this.#energy += clipped * clipped;
    this.#filled += 1;
    if (this.#filled < CHUNK_SAMPLES) return;
    const level = Math.sqrt(this.#energy / CHUNK_SAMPLES);
    this.port.postMessage({ samples: this.#chunk, level }, [this.#chunk.buffer]);
    this.#chunk = new Int16Array(CHUNK_SAMPLES);
    this.#filled = 0;
    this.#energy = 0;
  }
}

function mixDown(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
}

registerProcessor("voice-capture", VoiceCapture);
