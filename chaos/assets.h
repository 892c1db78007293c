/** Files that are part of the program: made by chaos/embed.cmake. */
#ifndef WI_CHAOS_ASSETS_H
#define WI_CHAOS_ASSETS_H

#include <stddef.h>

/** The preloaded library; size 0 in builds with sanitizers, which cannot take it. */
extern const unsigned char chaos_asset_preload[];
extern const size_t chaos_asset_preload_size;

/** Style and script of the report. */
extern const unsigned char chaos_asset_style[];
extern const size_t chaos_asset_style_size;
extern const unsigned char chaos_asset_script[];
extern const size_t chaos_asset_script_size;

#endif
