package storagetest

import "testing"

// Allow gives the key's user further rights, as in [Server.User].
func (g GCSHMAC) Allow(t testing.TB, actions ...string) {
	t.Helper()
	g.door.server.allow(t, g.AccessKey, actions)
}
