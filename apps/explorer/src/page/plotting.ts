/** The parts of the plotting library that are used here, and so loaded. */
export { axisX, axisY, dot, frame, legend, line, plot, rectY, ruleY, scale, text, vector } from "@observablehq/plot";
