import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, lazy } from "react";
import { createRoot } from "react-dom/client";
import { createBrowserRouter, Navigate, RouterProvider } from "react-router";
import { asFailure } from "./api/failure";
import { Shell } from "./shell/Shell";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/ui.css";
import "./styles/print.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      refetchOnWindowFocus: false,
      // A refusal stays a refusal; only a service that does not answer, or answers with a fault, is asked again.
      retry: (times, error) => {
        const { status } = asFailure(error);
        return times < 2 && (status === 0 || status >= 500);
      },
    },
  },
});

const Cells = lazy(() => import("./pages/cells/CellsPage"));
const Explore = lazy(() => import("./pages/explore/ExplorePage"));
const Predict = lazy(() => import("./pages/predict/PredictPage"));
const Screen = lazy(() => import("./pages/screen/ScreenPage"));
const Plate = lazy(() => import("./pages/plate/PlatePage"));
const Tissue = lazy(() => import("./pages/tissue/TissuePage"));
const Time = lazy(() => import("./pages/time/TimePage"));
const Images = lazy(() => import("./pages/images/ImagesPage"));
const Hub = lazy(() => import("./pages/hub/HubPage"));
const Leaderboard = lazy(() => import("./pages/leaderboard/LeaderboardPage"));
const Jobs = lazy(() => import("./pages/jobs/JobsPage"));
const Settings = lazy(() => import("./pages/settings/SettingsPage"));
const NotFound = lazy(() => import("./pages/notfound/NotFoundPage"));

// Pages with parts of their own (a job, a manifest) read the rest of the address themselves.
const router = createBrowserRouter([
  {
    element: <Shell />,
    children: [
      { path: "/", element: <Navigate to="/cells" replace /> },
      { path: "/cells/*", element: <Cells /> },
      { path: "/explore/*", element: <Explore /> },
      { path: "/predict/*", element: <Predict /> },
      { path: "/screen/*", element: <Screen /> },
      { path: "/plate/*", element: <Plate /> },
      { path: "/tissue/*", element: <Tissue /> },
      { path: "/time/*", element: <Time /> },
      { path: "/images/*", element: <Images /> },
      { path: "/hub/*", element: <Hub /> },
      { path: "/leaderboard/*", element: <Leaderboard /> },
      { path: "/jobs/*", element: <Jobs /> },
      { path: "/settings/*", element: <Settings /> },
      { path: "*", element: <NotFound /> },
    ],
  },
]);

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no element #root.");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
