package activities

import (
	"context"
	"maps"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// Mirror is a further store that holds copies of restore points, under the keys that they have in their repository.
type Mirror struct {
	Name       string // of the profile
	Location   string
	Kind       Kind
	Credential string // how the worker logs in, for messages. No secret
	Store      storage.Store
}

// held makes the mirror what activities know as a place of restore points: a repository that no cluster knows, without a
// name in StarRocks.
func (m *Mirror) held() *Repository {
	return &Repository{Name: m.Name, Location: m.Location, Kind: m.Kind, Credential: m.Credential, Store: m.Store, mirror: true}
}

// named gives the store of a profile errors that say whose they are.
func named(r Repository) *Repository {
	r.Store = &repositoryStore{r.Store, &r}
	return &r
}

// word is what a profile is called in a sentence.
func (r *Repository) word() string {
	if r.mirror {
		return "mirror"
	}
	return "repository"
}

// as gives a mirror the name that the repository has in StarRocks whose objects are meant: a mirror may hold several.
func (r *Repository) as(native string) *Repository {
	if !r.mirror {
		return r
	}
	other := *r
	other.Native = native
	return &other
}

// storeOf finds the repository or mirror of a profile; field is where the input names it.
func (a *Activities) storeOf(field, name string) (*Repository, error) {
	if r, ok := a.repositories[name]; ok {
		return r, nil
	}
	if r, ok := a.mirrors[name]; ok {
		return r, nil
	}
	all := maps.Clone(a.repositories)
	maps.Copy(all, a.mirrors)
	return nil, invalid("field %q: no repository or mirror profile is called %q in this worker's configuration; it has %s", field, name, names(all))
}

// triedFor stands for the cluster in the keys with which `config check` tries mirrors: their rights are no cluster's.
const triedFor = "config-check"

// tryAll tries the worker's rights on a mirror with objects of its own, which it removes again.
func (r *Repository) tryAll(ctx context.Context) []spec.CheckRow {
	p := &storeProbe{place: r.place(), store: r.Store, prefix: restorepoint.ProbePrefix(triedFor, r.Name), key: restorepoint.ProbeKey(triedFor, r.Name, "probe"), native: restorepoint.Root}
	var rows []spec.CheckRow
	for _, tried := range p.run(ctx) {
		row := spec.CheckRow{Profile: r.Name, Check: "mirror " + r.Location + ": " + tried.Right, OK: tried.OK, Message: tried.Message}
		if tried.Fix != "" {
			row.Message = joined(row.Message, tried.Fix)
		}
		rows = append(rows, row)
	}
	return rows
}
