/** MediaPipe's notices at each start, some of them as errors: nothing that whoever reads the console can act on. */

const NOTICES = [
  "gl_context.cc",
  "Graph successfully started running",
  "Graph finished closing successfully",
  "Created TensorFlow Lite XNNPACK delegate",
  "inference_feedback_manager.cc",
];

/** Keep them from the console of this worker; everything else is passed on. */
export function silenceNotices() {
  for (const level of ["log", "warn", "error"]) {
    const say = console[level].bind(console);
    console[level] = (...words) => {
      if (!NOTICES.some((notice) => String(words[0]).includes(notice))) say(...words);
    };
  }
}
