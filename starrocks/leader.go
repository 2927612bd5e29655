package starrocks

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
)

// Frontends lists the cluster's FEs.
func (c *Client) Frontends(ctx context.Context) ([]Frontend, error) {
	t, err := c.query(ctx, call{op: "SHOW FRONTENDS", sql: "SHOW FRONTENDS"})
	if err != nil {
		return nil, err
	}
	frontends := frontendsOf(t)
	if slices.ContainsFunc(frontends, Frontend.IsLeader) {
		return frontends, nil
	}
	if t, err = c.query(ctx, call{op: "SHOW PROC '/frontends'", sql: "SHOW PROC '/frontends'"}); err != nil {
		return nil, err
	}
	return frontendsOf(t), nil
}

// Leader is the FE that leads the cluster; ErrNoLeader while there is none.
func (c *Client) Leader(ctx context.Context) (Frontend, error) {
	frontends, err := c.Frontends(ctx)
	if err != nil {
		return Frontend{}, err
	}
	return leaderOf(frontends)
}

func leaderOf(frontends []Frontend) (Frontend, error) {
	i := slices.IndexFunc(frontends, Frontend.IsLeader)
	if i < 0 {
		return Frontend{}, &Error{Op: "SHOW FRONTENDS", Text: "none of the FEs is the leader", Kind: ErrNoLeader}
	}
	return frontends[i], nil
}

func frontendsOf(t *table) []Frontend {
	frontends := make([]Frontend, len(t.rows))
	for i, r := range t.rows {
		frontends[i] = Frontend{
			Name:      r.text("Name"),
			Host:      r.first("IP", "Host"),
			QueryPort: int(r.number("QueryPort")),
			Role:      r.text("Role"),
			ClusterID: r.number("ClusterId"),
			Alive:     r.yes("Alive"),
			Version:   r.text("Version"),
			StartTime: r.time("StartTime"),
		}
	}
	return frontends
}

// address is where to dial an FE.
func (c *Client) address(f Frontend) string {
	own := net.JoinHostPort(f.Host, strconv.Itoa(f.QueryPort))
	if reach := c.config.Reach[own]; reach != "" {
		return reach
	}
	return own
}

// leaderPool gives connections to the leader, looked up if it is not known or was not checked lately.
func (c *Client) leaderPool(ctx context.Context) (*sql.DB, error) {
	if address := c.trustedLeader(); address != "" {
		return c.pool(address)
	}
	c.finding.Lock()
	defer c.finding.Unlock()
	if address := c.trustedLeader(); address != "" { // another goroutine found it
		return c.pool(address)
	}
	address, err := c.findLeader(ctx)
	if err != nil {
		return nil, err
	}
	return c.pool(address)
}

func (c *Client) trustedLeader() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Sub(c.checked) > leaderTrust {
		return ""
	}
	return c.leader
}

func (c *Client) forgetLeader() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = c.now().Add(-2 * leaderTrust)
}

// findLeader asks one FE after the other who leads: first the last leader, then the addresses configured, then all FEs
// ever seen.
func (c *Client) findLeader(ctx context.Context) (string, error) {
	c.mu.Lock()
	candidates := slices.Concat([]string{c.leader}, c.config.Addresses, c.known)
	c.mu.Unlock()
	var errs []error
	tried := map[string]bool{"": true}
	for _, address := range candidates {
		if tried[address] {
			continue
		}
		tried[address] = true
		leader, err := c.askLeader(ctx, address)
		if err == nil {
			return leader, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil || errors.Is(err, ErrAuth) || errors.Is(err, ErrDenied) {
			break
		}
	}
	return "", worst(errs)
}

// worst picks what to tell out of several FEs' failures: what the user can mend comes first.
func worst(errs []error) error {
	for _, kind := range []error{ErrAuth, ErrDenied, ErrNoLeader} {
		for _, err := range errs {
			if errors.Is(err, kind) {
				return err
			}
		}
	}
	return errs[0]
}

// askLeader asks the FE at address who leads.
func (c *Client) askLeader(ctx context.Context, address string) (string, error) {
	frontends, err := c.askFrontends(ctx, address, "SHOW FRONTENDS")
	if err == nil && !slices.ContainsFunc(frontends, Frontend.IsLeader) {
		// 3.3.0 to 3.3.3 may call all of them FOLLOWER (facts §8.2).
		frontends, err = c.askFrontends(ctx, address, "SHOW PROC '/frontends'")
	}
	if err != nil {
		return "", err
	}
	leader, err := leaderOf(frontends)
	if err != nil {
		return "", fmt.Errorf("asked %s: %w", address, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range frontends {
		if known := c.address(f); !slices.Contains(c.known, known) {
			c.known = append(c.known, known)
		}
	}
	c.leader, c.checked = c.address(leader), c.now()
	if len(frontends) == 1 {
		c.leader = address // the only FE is the one that answers, whatever it calls itself
	}
	return c.leader, nil
}

func (c *Client) askFrontends(ctx context.Context, address, statement string) ([]Frontend, error) {
	pool, err := c.pool(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, errNoAnswer)
	defer cancel()
	t := &table{}
	if err := readRows(ctx, pool, statement, t.header, t.add); err != nil {
		return nil, c.failedWithin(ctx, call{op: statement, target: "at " + address}, err)
	}
	return frontendsOf(t), nil
}
