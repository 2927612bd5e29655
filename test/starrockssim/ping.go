package starrockssim

import (
	"fmt"
	"strconv"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
)

// pingEvery is 10 minutes, in ticks.
const pingEvery = 200

// pingLoop looks at the repositories as the leader does (starrocks-facts §3.4).
func (c *Cluster) pingLoop() {
	timer := time.NewTicker(c.ticks(pingEvery, 1))
	defer timer.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-timer.C:
			c.PingRepositories()
		}
	}
}

// PingRepositories looks at all repositories now, as the leader does every 10 minutes (200 ticks): the ErrMsg of SHOW
// REPOSITORIES is what came of it.
func (c *Cluster) PingRepositories() {
	c.mu.Lock()
	list := c.shown
	if c.leader < 0 {
		list = nil
	}
	c.mu.Unlock()
	for _, r := range list {
		message := c.ping(r)
		c.mu.Lock()
		r.errMsg = message
		c.mu.Unlock()
	}
}

// ping only looks whether the repository's directory is there.
func (c *Cluster) ping(r *repository) string {
	there, err := r.has(c.ctx, r.root+"__repo_info") // a short list, for what is there nearly always
	if err == nil && !there {
		there, err = r.has(c.ctx, r.root)
	}
	path := r.path(r.root)
	if there {
		return ""
	}
	text := "remote path does not exist: " + path
	if err != nil {
		text = fmt.Sprintf("failed to check remote path exist: %s. msg: errors while check if path %s exist", path, path)
	}
	return time.Now().UTC().Format(time.DateTime) + ": " + text
}

// showRepositories answers SHOW REPOSITORIES; only the leader pings.
func (s *session) showRepositories() *mysqlwire.Result {
	var rows [][]any
	for _, r := range s.c.shown {
		var errMsg any
		if r.errMsg != "" && s.fe.index == s.c.leader {
			errMsg = r.errMsg
		}
		rows = append(rows, []any{r.id, r.name, s.time(r.created), strconv.FormatBool(r.readOnly), r.location, "", errMsg})
	}
	return answer(words("RepoId RepoName CreateTime IsReadOnly Location Broker ErrMsg"), rows)
}
