/** The seven emotion labels, in the one order that every array of probabilities uses. */
export const LABELS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"];
