export { categoryColor, categoryShape, colorRange, css, paintCategories, paintValues, rampCss, shapePath, withoutColor, type Paint } from "./paint";
export { ScatterPlot } from "./ScatterPlot";
