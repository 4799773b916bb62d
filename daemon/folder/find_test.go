package folder_test

import (
	"maps"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/folder"
)

func none(string) string { return "" }

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

// live is a data folder with a ready daemon at the address.
func live(t *testing.T, nats string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, open(t, dir).WriteEndpoint(folder.Endpoint{NATS: nats, Token: "of " + nats, PID: 1}))
	return dir
}

func TestFindInTheOrderOfTheDesign(t *testing.T) {
	t.Parallel()
	flagDir, envDir, home := live(t, "nats://flagdir:1"), live(t, "nats://envdir:2"), t.TempDir()
	all := map[string]string{
		"EPOCHWATCH_URL": "nats://envurl:3", "EPOCHWATCH_DATA": envDir,
		"EPOCHWATCH_TOKEN": "envtoken", "EPOCHWATCH_CREDS": "/creds", "HOME": home,
	}
	without := func(names ...string) func(string) string {
		left := maps.Clone(all)
		for _, n := range names {
			delete(left, n)
		}
		return env(left)
	}
	for _, c := range []struct {
		name, url, data string
		getenv          func(string) string
		want            folder.Target
	}{
		{
			"url first", "nats://inurl@flagurl:4", flagDir, without(),
			folder.Target{URLs: []string{"nats://flagurl:4"}, Token: "inurl", Creds: "/creds", Dir: flagDir, Named: true},
		},
		{
			"url takes the token beside it", "nats://flagurl:4", flagDir, without(),
			folder.Target{URLs: []string{"nats://flagurl:4"}, Token: "envtoken", Creds: "/creds", Dir: flagDir, Named: true},
		},
		{
			"then EPOCHWATCH_URL", "", flagDir, without(),
			folder.Target{URLs: []string{"nats://envurl:3"}, Token: "envtoken", Creds: "/creds", Dir: flagDir, Named: true},
		},
		{
			"then the folder named", "", flagDir, without("EPOCHWATCH_URL"),
			folder.Target{URLs: []string{"nats://flagdir:1"}, Token: "of nats://flagdir:1", Dir: flagDir},
		},
		{
			"then EPOCHWATCH_DATA", "", "", without("EPOCHWATCH_URL"),
			folder.Target{URLs: []string{"nats://envdir:2"}, Token: "of nats://envdir:2", Dir: envDir},
		},
		{
			"then the user's state folder", "", "", without("EPOCHWATCH_URL", "EPOCHWATCH_DATA"),
			folder.Target{Dir: filepath.Join(home, ".local", "state", "epochwatch")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := folder.Find(c.url, c.data, c.getenv)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestFindTheDefaultFoldersDaemon(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	dir := filepath.Join(state, "epochwatch")
	require.NoError(t, open(t, dir).WriteEndpoint(folder.Endpoint{NATS: "nats://127.0.0.1:4222", Token: "x", PID: 1}))
	got, err := folder.Find("", "", env(map[string]string{"XDG_STATE_HOME": state}))
	require.NoError(t, err)
	require.Equal(t, folder.Target{URLs: []string{"nats://127.0.0.1:4222"}, Token: "x", Dir: dir}, got)
}

func TestDataDir(t *testing.T) {
	t.Parallel()
	cwd, err := filepath.Abs(".")
	require.NoError(t, err)
	home := t.TempDir()
	for _, c := range []struct {
		name, data string
		env        map[string]string
		want       string
	}{
		{"flag", "here", map[string]string{"EPOCHWATCH_DATA": "/there"}, filepath.Join(cwd, "here")},
		{"environment", "", map[string]string{"EPOCHWATCH_DATA": "there"}, filepath.Join(cwd, "there")},
		{"state folder", "", map[string]string{"XDG_STATE_HOME": home, "HOME": "/x"}, filepath.Join(home, "epochwatch")},
		{"home", "", map[string]string{"HOME": home}, filepath.Join(home, ".local", "state", "epochwatch")},
		{"a relative state folder is ignored", "", map[string]string{"XDG_STATE_HOME": "rel", "HOME": home}, filepath.Join(home, ".local", "state", "epochwatch")},
	} {
		got, err := folder.DataDir(c.data, env(c.env))
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
	_, err = folder.Find("", "", none)
	require.ErrorContains(t, err, "--data")
}

func TestDefaultFollowsTheEnvironment(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv("LOCALAPPDATA", state)
	got, err := folder.Default()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(state, "epochwatch"), got)
}

func TestParseURLs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		urls  []string
		token string
	}{
		{"nats://h:1", []string{"nats://h:1"}, ""},
		{"nats://tok@h:1", []string{"nats://h:1"}, "tok"},
		{"nats://a:1, tls://b", []string{"nats://a:1", "tls://b:4222"}, ""},
		{"nats://tok@a:1,nats://b:2", []string{"nats://a:1", "nats://b:2"}, "tok"},
		{"h", []string{"nats://h:4222"}, ""},
		{"NATS://Box.Example:9", []string{"nats://box.example:9"}, ""},
		{"tok@h:9/", []string{"nats://h:9"}, "tok"},
		{"nats://t%40k@[::1]:4222", []string{"nats://[::1]:4222"}, "t@k"},
	} {
		urls, token, err := folder.ParseURLs(c.text)
		require.NoError(t, err, c.text)
		require.Equal(t, c.urls, urls, c.text)
		require.Equal(t, c.token, token, c.text)
	}
}

func TestBadURLsAreRefusedWithoutTheirToken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"http://s3cret@h:1", "nats://s3cret@", "nats://s3cret@h:0", "nats://s3cret@h:70000", "nats://s3cret@h:x",
		"nats://s3cret@h:1/path", "nats://s3cret@h:1?q=1", "nats://u:s3cret@h:1", "nats://s3cret@h:1,", "nats://s3cret@h h:1",
		"nats://s3cret@h:1,nats://other@g:1", "nats://s3cret%zz@h:1", ",", "ws://s3cret@h:1",
	} {
		_, err := folder.Find(text, "/data", none)
		require.ErrorContains(t, err, "--url: ", text)
		require.NotContains(t, err.Error(), "s3cret", text)
		require.NotContains(t, err.Error(), "\n", text)
		_, err = folder.Find("", "/data", env(map[string]string{"EPOCHWATCH_URL": text}))
		require.ErrorContains(t, err, "EPOCHWATCH_URL: ", text)
		require.NotContains(t, err.Error(), "s3cret", text)
	}
}
