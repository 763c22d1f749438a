export { categoryColor, categoryShape, colorRange, css, paintCategories, paintValues, rampCss, shapePath, UNSELECTED, type Paint } from "./paint";
export { ScatterPlot } from "./ScatterPlot";
