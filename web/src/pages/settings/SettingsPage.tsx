/** Who one is here, how the page looks, and tokens for programs. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { api, said } from "../../api/client";
import { asFailure } from "../../api/failure";
import type { Session, Token } from "../../api/types";
import { useSession } from "../../hooks/queries";
import { bytes, day } from "../../lib/format";
import { chosenTheme, chooseTheme, type Theme } from "../../shell/theme";
import { Banner, Button, ErrorState, PageHead, Select, Skeleton, Table, TextField, type Column } from "../../ui";

export default function SettingsPage() {
  const session = useSession();
  return (
    <>
      <PageHead title="Settings" />
      <div className="stack">
        <section className="card stack" aria-label="Appearance">
          <h2>Appearance</h2>
          <Appearance />
        </section>
        {session.error ? (
          <SignIn error={session.error} />
        ) : session.data ? (
          <>
            <Account session={session.data} />
            {!session.data.loopback && <Tokens />}
          </>
        ) : (
          <Skeleton lines={4} label="Loading the settings" />
        )}
      </div>
    </>
  );
}

function Appearance() {
  const [theme, setTheme] = useState<Theme>(chosenTheme);
  return (
    <div className="settings-narrow">
      <Select
        label="Theme"
        value={theme}
        onChange={(event) => {
          setTheme(event.target.value as Theme);
          chooseTheme(event.target.value as Theme);
        }}
        choices={[
          { value: "system", label: "As the system has it" },
          { value: "light", label: "Light" },
          { value: "dark", label: "Dark" },
        ]}
      />
    </div>
  );
}

/** The service keeps who one is in a cookie that no script can read. */
function SignIn({ error }: { error: unknown }) {
  const [token, setToken] = useState("");
  const client = useQueryClient();
  const enter = useMutation({
    mutationFn: () => said(api.POST("/api/v1/session", { body: { token } })),
    onSuccess: () => {
      setToken("");
      return client.invalidateQueries();
    },
  });
  return (
    <form
      className="card stack"
      aria-label="Sign in"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        enter.mutate();
      }}
    >
      <h2>Sign in</h2>
      {asFailure(error).status === 401 ? (
        <Banner title="This service asks who you are">
          <p>It is reached from other machines too, so each request needs a token.</p>
        </Banner>
      ) : (
        <ErrorState title="The service could not say who you are" error={error} />
      )}
      <div className="settings-narrow">
        <TextField label="Token" hint="The person who runs the service makes one for you." type="password" autoComplete="current-password" value={token} required onChange={(event) => setToken(event.target.value)} />
      </div>
      {enter.error && <ErrorState title="This token was not taken" error={enter.error} />}
      <div>
        <Button look="primary" type="submit" busy={enter.isPending} disabled={!token}>
          Sign in
        </Button>
      </div>
    </form>
  );
}

function Account({ session }: { session: Session }) {
  const client = useQueryClient();
  const leave = useMutation({ mutationFn: () => said(api.DELETE("/api/v1/session")), onSuccess: () => client.resetQueries() });
  return (
    <section className="card stack" aria-label="Account">
      <h2>This service</h2>
      <dl className="facts">
        <dt>You are</dt>
        <dd>
          {session.user}, {session.role}
        </dd>
        <dt>Reached from</dt>
        <dd>{session.loopback ? "this machine only, so no sign-in is needed" : "other machines too, with tokens"}</dd>
        <dt>Version</dt>
        <dd>{session.version}</dd>
        <dt>Largest upload</dt>
        <dd>{bytes(session.upload_limit_bytes)}</dd>
        <dt>Interface for programs</dt>
        <dd>
          <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>
        </dd>
      </dl>
      {!session.loopback && (
        <div>
          <Button busy={leave.isPending} onClick={() => leave.mutate()}>
            Sign out
          </Button>
        </div>
      )}
    </section>
  );
}

function Tokens() {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [role, setRole] = useState<"reader" | "writer" | "admin">("reader");
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: async ({ signal }) => (await said(api.GET("/api/v1/tokens", { signal }))).tokens });
  const renew = () => client.invalidateQueries({ queryKey: ["tokens"] });
  const make = useMutation({ mutationFn: () => said(api.POST("/api/v1/tokens", { body: { name, role, user: "" } })), onSuccess: renew });
  const remove = useMutation({ mutationFn: (id: string) => said(api.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id: id } } })), onSuccess: renew });
  const columns: Column<Token>[] = [
    { key: "name", header: "Name", rowHeader: true, cell: (token) => token.name, value: (token) => token.name },
    { key: "user", header: "User", cell: (token) => token.user, value: (token) => token.user },
    { key: "role", header: "Role", cell: (token) => token.role, value: (token) => token.role },
    { key: "created", header: "Made", cell: (token) => day(token.created), value: (token) => token.created },
    {
      key: "remove",
      header: <span className="sr-only">Revoke</span>,
      cell: (token) => (
        <Button compact look="danger" aria-label={`Revoke ${token.name}`} onClick={() => remove.mutate(token.id)}>
          Revoke
        </Button>
      ),
    },
  ];
  return (
    <section className="card stack" aria-label="Tokens">
      <h2>Tokens for programs</h2>
      {tokens.error && <ErrorState title="Tokens could not be listed" error={tokens.error} />}
      {tokens.data && <Table caption="Tokens" columns={columns} rows={tokens.data} rowKey={(token) => token.id} empty="None yet." />}
      {make.data && (
        <Banner tone="good" title="A new token. It is shown this once." live>
          <code>{make.data.token}</code>
        </Banner>
      )}
      {(make.error ?? remove.error) && <ErrorState title="That was refused" error={make.error ?? remove.error} />}
      <form
        className="fields-row"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <TextField label="Name of a new token" value={name} maxLength={60} required onChange={(event) => setName(event.target.value)} />
        <Select
          label="Role"
          value={role}
          onChange={(event) => setRole(event.target.value as typeof role)}
          choices={["reader", "writer", "admin"].map((each) => ({ value: each, label: each }))}
        />
        <Button type="submit" busy={make.isPending} disabled={!name.trim()}>
          Make a token
        </Button>
      </form>
    </section>
  );
}
