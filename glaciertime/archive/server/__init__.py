"""The archive on a PostGIS server, for teams: many write and read at once."""
