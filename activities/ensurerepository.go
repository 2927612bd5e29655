package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// EnsureRepositoryInput asks for a repository on a cluster.
type EnsureRepositoryInput struct {
	Cluster    string `json:"cluster"`
	Repository string `json:"repository"` // the profile
	ReadOnly   bool   `json:"readOnly,omitempty"`
}

// EnsuredRepository says what there is now. Created is false when it was there already, also when an earlier attempt
// whose answer was lost created it.
type EnsuredRepository struct {
	Created  bool   `json:"created,omitempty"`
	Adopted  bool   `json:"adopted,omitempty"` // the location held a repository of this name, which was attached
	ReadOnly bool   `json:"readOnly,omitempty"`
	Location string `json:"location"` // as StarRocks has it
	Message  string `json:"message"`
}

// maxRepoInfo bounds a __repo_info, in bytes; StarRocks writes some 70.
const maxRepoInfo = 1 << 20

// EnsureRepository creates a repository on a cluster where it is missing, with the profile's name, location and
// credentials. One of that name at the same location is left as it is; at another one it is refused with the difference.
//
// Before StarRocks may attach to a location its __repo_info is read: the name and the time in it replace those of the
// statement, so a foreign file would make the repository appear under another name and hide the one of that name
// (starrocks-facts §2.1, starrocks-measured C 48d).
func (a *Activities) EnsureRepository(ctx context.Context, in EnsureRepositoryInput) (EnsuredRepository, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(in.Cluster, in.Repository)
	if err != nil {
		return EnsuredRepository{}, failure(ctx, err)
	}
	out, err := ensureRepository(ctx, c, r, in.ReadOnly)
	return out, failure(ctx, err)
}

func ensureRepository(ctx context.Context, c *Cluster, r *Repository, readOnly bool) (EnsuredRepository, error) {
	found, err := lookUp(ctx, c, r)
	if err != nil {
		return EnsuredRepository{}, err
	}
	if found != nil {
		return existing(c, r, *found, readOnly), nil
	}
	adopted, err := checkRepoInfo(ctx, r)
	if err != nil {
		return EnsuredRepository{}, err
	}
	properties, err := r.properties()
	if err != nil {
		return EnsuredRepository{}, err
	}
	err = c.FE.CreateRepository(ctx, starrocks.RepositoryStatement{Name: r.Native, Location: r.Location, ReadOnly: readOnly, Properties: properties})
	if err != nil && !errors.Is(err, starrocks.ErrRepositoryExists) {
		return EnsuredRepository{}, createFailed(ctx, c, r, err)
	}
	exists := err != nil
	if found, err = lookUp(ctx, c, r); err != nil {
		return EnsuredRepository{}, err
	}
	if found == nil {
		return EnsuredRepository{}, fail(spec.ErrorRepositoryMissing, "cluster %s took CREATE REPOSITORY %s (profile %s) and does not show it; look at SHOW REPOSITORIES", c.Name, r.Native, r.Name)
	}
	if exists {
		return existing(c, r, *found, readOnly), nil
	}
	out := EnsuredRepository{Created: true, Adopted: adopted, ReadOnly: found.ReadOnly, Location: found.Location}
	out.Message = fmt.Sprintf("repository %s was created on cluster %s at %s%s", r.Native, c.Name, found.Location, readOnlyWord(found.ReadOnly))
	if adopted {
		out.Message += "; it attached to the repository of that name that the location holds, with its snapshots"
	}
	return out, nil
}

// existing describes a repository that was there before.
func existing(c *Cluster, r *Repository, found starrocks.Repository, readOnly bool) EnsuredRepository {
	out := EnsuredRepository{ReadOnly: found.ReadOnly, Location: found.Location}
	out.Message = fmt.Sprintf("cluster %s has repository %s at %s already%s", c.Name, r.Native, found.Location, readOnlyWord(found.ReadOnly))
	switch {
	case readOnly && !found.ReadOnly:
		out.Message += ", and can write to it; drop it and create it READ ONLY to prevent that (the snapshots stay)"
	case !readOnly && found.ReadOnly:
		out.Message += "; to back up into it drop it there and create it anew (the snapshots stay)"
	}
	return out
}

func readOnlyWord(readOnly bool) string {
	if readOnly {
		return " READ ONLY"
	}
	return ""
}

// lookUp finds the repository that the FE knows under the profile's name; nil if there is none. One at another location
// is refused with the difference.
func lookUp(ctx context.Context, c *Cluster, r *Repository) (*starrocks.Repository, error) {
	known, err := c.FE.Repositories(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the repositories of cluster %s: %w", c.Name, err)
	}
	var found []starrocks.Repository
	for _, k := range known {
		if k.Name == r.Native {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, fail(spec.ErrorRepositoryMissing, "cluster %s shows %d repositories named %q: a copied __repo_info made one take the other's name; drop it before anything is backed up or restored", c.Name, len(found), r.Native)
	case !sameLocation(found[0].Location, r.Location):
		return nil, fail(spec.ErrorRepositoryMissing, "repository %q of cluster %s is at %s, but profile %s says %s; correct the profile's location (or starrocks.location), or drop the repository there and create it anew",
			r.Native, c.Name, found[0].Location, r.Name, r.Location)
	}
	return &found[0], nil
}

// checkRepoInfo looks at what StarRocks would attach to: whether the location holds a repository of this name. A
// __repo_info that names another one, or that StarRocks cannot read, is refused, and so is the directory of the older
// layout, which StarRocks would use instead of the one that starkeep knows.
func checkRepoInfo(ctx context.Context, r *Repository) (there bool, err error) {
	older := starrocks.OlderRepositoryPrefix(r.Native)
	for o, err := range r.Store.List(ctx, older) {
		if err != nil {
			return false, fmt.Errorf("look for an older repository: %w", err)
		}
		return false, fail(spec.ErrorVersionUnsupported, "repository %s: its location %s holds %s, of the layout %s that starkeep does not support; use another location or name", r.Name, r.Location, o.Key, strings.TrimSuffix(older, "/"))
	}
	key := starrocks.RepoInfoKey(r.Native)
	data, err := storage.ReadAll(ctx, r.Store, key, maxRepoInfo)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read __repo_info before StarRocks attaches to it: %w", err)
	}
	var info struct {
		Name    string `json:"name"`
		Created string `json:"create_time"`
	}
	if err := json.Unmarshal(data, &info); err != nil || info.Name == "" || info.Created == "" {
		return false, fail(spec.ErrorChecksumMismatch, "repository %s: %s at %s is damaged, StarRocks would refuse it; it should say {\"name\": %q, \"create_time\": \"2026-01-31 12:00:00\"}", r.Name, key, r.Location, r.Native)
	}
	if info.Name != r.Native {
		return false, fail(spec.ErrorInvalidSpec, "repository %s: %s at %s names the repository %q, not %q: StarRocks would take that name for it; it was copied from there, delete it and create the repository again",
			r.Name, key, r.Location, info.Name, r.Native)
	}
	return true, nil
}

// createAttempts is how often a location is tried that the FE cannot reach: about a minute.
const createAttempts = 6

// createFailed says why StarRocks refused, in its own words, which hold no credentials, and what helps on its side.
func createFailed(ctx context.Context, c *Cluster, r *Repository, err error) error {
	err = fmt.Errorf("create repository %s on cluster %s at %s (profile %s): %w", r.Native, c.Name, r.Location, r.Name, err)
	if errors.Is(err, starrocks.ErrRepositoryDamaged) {
		return fail(spec.ErrorChecksumMismatch, "%v; look at %s there", err, starrocks.RepoInfoKey(r.Native))
	}
	if !errors.Is(err, starrocks.ErrRepositoryUnreachable) {
		return err
	}
	p, t := placeOf(c, r), troubleOf(err.Error())
	kind := spec.ErrorRepositoryMissing
	if t != troubleOther {
		kind = t.kind()
	}
	f := fail(kind, "%v", err)
	f.Final = attempt(ctx) >= createAttempts
	right := spec.RightList
	if strings.Contains(err.Error(), "write exception") { // it could list, and uploads __repo_info
		right = spec.RightWrite
	}
	if fix := p.fix(spec.SideFE, right, t); fix != "" {
		// There is nothing to drop yet.
		f.Message += "; " + strings.TrimSuffix(fix, p.anew(spec.SideFE))
	}
	return f
}
