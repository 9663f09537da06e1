import assert from "node:assert/strict";
import { test } from "node:test";

import { Resampler } from "../../static/js/resampler.js";

const OUTPUT_RATE = 16_000;
const DEVICE_RATES = [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];

function tone(frequency, rate, seconds, amplitude = 0.5) {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, n) => amplitude * Math.sin((2 * Math.PI * frequency * n) / rate));
}

function inBlocks(signal, rate, sizes) {
  const resampler = new Resampler(rate, OUTPUT_RATE);
  const output = [];
  for (let at = 0, i = 0; at < signal.length; i += 1) {
    const size = sizes[i % sizes.length];
    output.push(...resampler.process(signal.subarray(at, at + size)));
    at += size;
  }
  return Float32Array.from(output);
}

/** RMS in decibels against a reference RMS, the first 50 ms (the filter filling up) left out. */
function decibels(signal, reference) {
  const settled = signal.subarray(OUTPUT_RATE / 20);
  const rms = Math.sqrt(settled.reduce((sum, x) => sum + x * x, 0) / settled.length);
  return 20 * Math.log10(rms / reference);
}

for (const rate of [32_000, 44_100, 48_000, 96_000]) {
  for (const frequency of [8200, 10_000, 15_000]) {
    test(`a ${frequency} Hz tone at ${rate} Hz does not alias: more than 60 dB down`, () => {
      assert.ok(decibels(inBlocks(tone(frequency, rate, 1), rate, [128]), 0.5 / Math.SQRT2) < -60);
    });
  }
}

for (const rate of DEVICE_RATES) {
  test(`tones of the voice pass from ${rate} Hz within 0.5 dB`, () => {
    for (const frequency of [100, 1000, 3400]) {
      const gain = decibels(inBlocks(tone(frequency, rate, 1), rate, [128]), 0.5 / Math.SQRT2);
      assert.ok(Math.abs(gain) < 0.5, `${frequency} Hz: ${gain} dB`);
    }
  });

  test(`from ${rate} Hz: the blocks' sizes do not change the signal, so there are no clicks`, () => {
    const signal = tone(440, rate, 0.5);
    const whole = inBlocks(signal, rate, [signal.length]);
    for (const sizes of [[128], [1], [441, 1, 127], [1024, 3]]) {
      assert.deepEqual(inBlocks(signal, rate, sizes), whole);
    }
  });

  test(`from ${rate} Hz: the count of samples is exact at every moment`, () => {
    const resampler = new Resampler(rate, OUTPUT_RATE);
    let [given, taken] = [0, 0];
    for (let block = 0; block < 2000; block += 1) {
      const size = 1 + ((block * 37) % 200);
      given += size;
      taken += resampler.process(new Float32Array(size)).length;
      assert.equal(taken, Math.ceil((given * OUTPUT_RATE) / rate));
    }
  });
}

test("a pure tone comes out as a pure tone of the same frequency", () => {
  const output = inBlocks(tone(1000, 44_100, 1), 44_100, [128]).subarray(1600);
  // Least squares on sine and cosine of 1 kHz; what they leave over is distortion.
  let [s, c] = [0, 0];
  const phase = (n) => (2 * Math.PI * 1000 * n) / OUTPUT_RATE;
  output.forEach((x, n) => {
    s += (2 / output.length) * x * Math.sin(phase(n));
    c += (2 / output.length) * x * Math.cos(phase(n));
  });
  const rest = output.map((x, n) => x - s * Math.sin(phase(n)) - c * Math.cos(phase(n)));
  const rms = Math.sqrt(rest.reduce((sum, x) => sum + x * x, 0) / rest.length);
  assert.ok(20 * Math.log10(rms / (0.5 / Math.SQRT2)) < -70);
});

test("rates that are not whole and positive are refused", () => {
  for (const rate of [0, -1, 44_100.5, NaN]) assert.throws(() => new Resampler(rate, OUTPUT_RATE), RangeError);
});
