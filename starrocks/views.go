package starrocks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ShowCreateView is the definition of a logical view: CREATE VIEW `v` … with all names in full.
func (c *Client) ShowCreateView(ctx context.Context, database, view string) (string, error) {
	return c.showCreateView(ctx, "SHOW CREATE VIEW", database, view, "Create View")
}

// ShowCreateMaterializedView is the definition of an asynchronous materialized view.
func (c *Client) ShowCreateMaterializedView(ctx context.Context, database, view string) (string, error) {
	return c.showCreateView(ctx, "SHOW CREATE MATERIALIZED VIEW", database, view, "Create Materialized View")
}

func (c *Client) showCreateView(ctx context.Context, op, database, view, column string) (string, error) {
	name, err := qualified(database, "view", view)
	if err != nil {
		return "", err
	}
	q := call{op: op, target: database + "." + view, sql: op + " " + name}
	t, err := c.query(ctx, q)
	if err != nil {
		return "", err
	}
	if len(t.rows) == 0 {
		return "", &Error{Op: q.op, Target: q.target, Text: "no answer", Kind: ErrUnknownTable}
	}
	return t.rows[0].first(column, "Create Table"), nil
}

// CreateView sends the text of a CREATE [OR REPLACE] VIEW or CREATE MATERIALIZED VIEW that names the view with its
// database. A text that is not exactly one such statement is refused: the FE would run all of them (quote.go).
func (c *Client) CreateView(ctx context.Context, text string) error {
	v, err := readView(text)
	if err != nil {
		return err
	}
	self := v.chains[0]
	if len(self.parts) != 2 {
		return fmt.Errorf("the view %s is named without a database: %w", self.parts[0].name, ErrInvalidStatement)
	}
	return c.exec(ctx, call{op: "CREATE VIEW", target: self.parts[0].name + "." + self.parts[1].name, sql: text})
}

// CreateFunction sends a CREATE FUNCTION that Function.SQL made. The FE fetches the function's file.
func (c *Client) CreateFunction(ctx context.Context, database string, f Function) error {
	text, err := f.SQL(database)
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "CREATE FUNCTION", target: database + "." + f.Signature, sql: text})
}

// FullFunctions lists a database's own functions; of no database, the global ones.
func (c *Client) FullFunctions(ctx context.Context, database string) ([]Function, error) {
	q := call{op: "SHOW FULL GLOBAL FUNCTIONS", sql: "SHOW FULL GLOBAL FUNCTIONS"}
	if database != "" {
		name, err := identifier("database", database)
		if err != nil {
			return nil, err
		}
		q = call{op: "SHOW FULL FUNCTIONS", target: database, sql: "SHOW FULL FUNCTIONS FROM " + name}
	}
	t, err := c.query(ctx, q)
	if err != nil {
		return nil, err
	}
	functions := make([]Function, len(t.rows))
	for i, r := range t.rows {
		functions[i] = functionOf(r)
	}
	slices.SortFunc(functions, func(a, b Function) int { return strings.Compare(a.Signature, b.Signature) })
	return functions, nil
}

// ActivateMaterializedView makes StarRocks look for the view's bases by their names, and take it into use. It does nothing
// to an active one.
func (c *Client) ActivateMaterializedView(ctx context.Context, database, view string) error {
	name, err := qualified(database, "view", view)
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "ALTER MATERIALIZED VIEW ACTIVE", target: database + "." + view, sql: "ALTER MATERIALIZED VIEW " + name + " ACTIVE"})
}

// RefreshMaterializedView starts a refresh and gives the id of its query. With force every partition is computed anew,
// also those that StarRocks takes for fresh: a base's versions may have gone back. It does not wait: a statement that
// waits ends with the session's query_timeout, however far the refresh is.
func (c *Client) RefreshMaterializedView(ctx context.Context, database, view string, force bool) (string, error) {
	name, err := qualified(database, "view", view)
	if err != nil {
		return "", err
	}
	q := call{op: "REFRESH MATERIALIZED VIEW", target: database + "." + view, sql: "REFRESH MATERIALIZED VIEW " + name}
	if force {
		q.sql += " FORCE"
	}
	t, err := c.query(ctx, q)
	if err != nil || len(t.rows) == 0 {
		return "", err
	}
	return t.rows[0].first("QUERY_ID"), nil
}

// ViewState is what an FE believes of an asynchronous materialized view.
type ViewState struct {
	Database, Name string
	Active         bool
	Reason         string // why it is not active
	Definition     string // CREATE MATERIALIZED VIEW …
	LastState      string // of the last refresh: "", "PENDING", "RUNNING", "SUCCESS", "SKIPPED", "FAILED"
	LastError      string
	LastStart      string   // as the FE prints it
	LastQueries    []string // ids of the last refresh's queries
}

// Refreshed tells whether the view's last refresh has ended, and is the one with this query, or another than the one that
// before shows.
func (s ViewState) Refreshed(query string, before ViewState) bool {
	if s.LastState == "" || s.LastState == "PENDING" || s.LastState == "RUNNING" {
		return false
	}
	if query != "" && slices.Contains(s.LastQueries, query) {
		return true
	}
	return s.LastStart != before.LastStart || !slices.Equal(s.LastQueries, before.LastQueries)
}

// ViewStates lists the asynchronous materialized views of a database as the leader sees them.
func (c *Client) ViewStates(ctx context.Context, database string) ([]ViewState, error) {
	q, err := showViews(database)
	if err != nil {
		return nil, err
	}
	t, err := c.query(ctx, q)
	if err != nil {
		return nil, err
	}
	return viewStates(database, t), nil
}

func showViews(database string) (call, error) {
	name, err := identifier("database", database)
	return call{op: "SHOW MATERIALIZED VIEWS", target: database, sql: "SHOW MATERIALIZED VIEWS FROM " + name}, err
}

func viewStates(database string, t *table) []ViewState {
	var states []ViewState
	for _, r := range t.rows {
		if kind := r.text("refresh_type"); kind == "ROLLUP" || kind == "SYNC" {
			continue
		}
		states = append(states, ViewState{
			Database: database, Name: r.first("name", "TABLE_NAME"), Active: r.yes("is_active"), Reason: r.text("inactive_reason"),
			Definition: r.first("text", "MATERIALIZED_VIEW_DEFINITION"), LastState: r.text("last_refresh_state"), LastError: r.text("last_refresh_error_message"),
			LastStart: r.text("last_refresh_start_time"), LastQueries: queryIDs(r.text("extra_message")),
		})
	}
	slices.SortFunc(states, func(a, b ViewState) int { return strings.Compare(a.Name, b.Name) })
	return states
}

// ViewStatesAt lists the materialized views of a database as one FE sees them: FEs may disagree (measured B 26), and each
// plans its own queries. Both SHOW MATERIALIZED VIEWS and information_schema are asked; a view is active if both say so.
func (c *Client) ViewStatesAt(ctx context.Context, f Frontend, database string) ([]ViewState, error) {
	show, err := showViews(database)
	if err != nil {
		return nil, err
	}
	shown, err := c.askAt(ctx, f, show)
	if err != nil {
		return nil, err
	}
	states := viewStates(database, shown)
	schema, err := schemaCall("information_schema.materialized_views", "TABLE_SCHEMA", database, "TABLE_NAME, REFRESH_TYPE, IS_ACTIVE, INACTIVE_REASON")
	if err != nil {
		return nil, err
	}
	listed, err := c.askAt(ctx, f, schema)
	if errors.Is(err, ErrNoBackend) {
		return states, nil // it is a BE that answers
	}
	if err != nil {
		return nil, err
	}
	for _, other := range viewStates(database, listed) {
		for i := range states {
			if states[i].Name == other.Name && states[i].Active && !other.Active {
				states[i].Active, states[i].Reason = false, other.Reason
			}
		}
	}
	return states, nil
}

// askAt sends a query to one FE, whether it leads or not.
func (c *Client) askAt(ctx context.Context, f Frontend, q call) (*table, error) {
	q.target += " at " + c.address(f)
	pool, err := c.pool(c.address(f))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, errNoAnswer)
	defer cancel()
	t := &table{}
	if err := readRows(ctx, pool, q.sql, t.header, t.add); err != nil {
		return nil, c.failedWithin(ctx, q, err)
	}
	return t, nil
}

// Catalogs lists the names of the cluster's catalogs, external ones too.
func (c *Client) Catalogs(ctx context.Context) ([]string, error) {
	t, err := c.query(ctx, call{op: "SHOW CATALOGS", sql: "SHOW CATALOGS"})
	if err != nil {
		return nil, err
	}
	names := make([]string, len(t.rows))
	for i, r := range t.rows {
		names[i] = r.text("Catalog")
	}
	return names, nil
}

// ViewGrants lists the privileges on views and materialized views of a database, one by one.
func (c *Client) ViewGrants(ctx context.Context, database string) ([]Grant, error) {
	return c.objectGrants(ctx, database, "VIEW", "MATERIALIZED VIEW")
}
