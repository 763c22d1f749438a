export { AxisBelow, AxisLeft } from "./Axis";
export { IntervalPlot, type IntervalRow } from "./IntervalPlot";
export { extent, linear, ticks } from "./scale";
export { Volcano } from "./Volcano";
