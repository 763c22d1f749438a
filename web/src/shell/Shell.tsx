/** What surrounds every page: navigation, the theme, and a place for pages that are still loading. */
import { Suspense, useEffect, useRef } from "react";
import { NavLink, Outlet, useLocation } from "react-router";
import { useSession } from "../hooks/queries";
import { useChosenCell } from "../hooks/useChosenCell";
import { useDark } from "../hooks/useDark";
import { Button, Skeleton } from "../ui";
import { ErrorBoundary } from "./ErrorBoundary";
import { NAVIGATION, visible } from "./navigation";
import { chooseTheme } from "./theme";

function ThemeButton() {
  const dark = useDark();
  return (
    <Button compact aria-label={dark ? "Light theme" : "Dark theme"} onClick={() => chooseTheme(dark ? "light" : "dark")}>
      {dark ? "Light" : "Dark"} <span className="theme-word">theme</span>
    </Button>
  );
}

export function Shell() {
  const session = useSession();
  const { id, cell } = useChosenCell();
  const location = useLocation();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);

  // A new page is a new text: readers of the screen begin at its start, as after a load.
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    main.current?.focus();
    window.scrollTo(0, 0);
  }, [location.pathname]);

  const query = id ? `?cell=${encodeURIComponent(id)}` : "";
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="rail">
        <NavLink className="brand" to={`/cells${query}`} aria-label="aivc: to the cells">
          <img src="/icon.svg" alt="" />
          <span>aivc</span>
        </NavLink>
        <nav aria-label="Pages">
          {NAVIGATION.map((group) => (
            <section key={group.title} aria-label={group.title}>
              <h2>{group.title}</h2>
              <ul>
                {group.places.filter((place) => visible(place, cell.data?.capabilities)).map((place) => (
                  <li key={place.path}>
                    <NavLink to={`/${place.path}${place.ofCell ? query : ""}`}>{place.label}</NavLink>
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </nav>
        <div className="rail-foot">
          <ThemeButton />
          {session.data && (
            <span className="version">
              {session.data.loopback ? "On this machine" : session.data.user} · {session.data.version}
            </span>
          )}
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <ErrorBoundary key={location.pathname}>
          <Suspense fallback={<Skeleton lines={6} label="Loading the page" />}>
            <Outlet />
          </Suspense>
        </ErrorBoundary>
      </main>
    </div>
  );
}
