import { Component, type ReactNode } from "react";
import { ErrorState } from "../ui";

/** A fault of the page itself: said, instead of a white screen. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return <ErrorState title="This page has a fault" error={this.state.error} retry={() => window.location.reload()} />;
  }
}
