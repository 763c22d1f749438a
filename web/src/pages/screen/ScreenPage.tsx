/** A virtual screen: asked here, watched while it runs, then ranked, filtered, taken away and turned into a plate. */
import { useParams } from "react-router";
import { ScreenForm } from "./ScreenForm";
import { ScreenResult } from "./ScreenResult";

export default function ScreenPage() {
  const id = useParams()["*"]?.split("/")[0];
  return id ? <ScreenResult id={id} /> : <ScreenForm />;
}
