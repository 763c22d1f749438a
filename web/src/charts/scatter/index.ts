export { categoryColor, categoryShape, colorRange, css, paintCategories, paintValues, rampCss, shapePath, type Paint } from "./paint";
export { ScatterPlot } from "./ScatterPlot";
