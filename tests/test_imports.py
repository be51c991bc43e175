"""No module imports itself by way of others; an import inside a function counts too.

The contract "No import circles" (pyproject.toml) compares neighbours; this test also sees a package and its modules.
"""

import grimp


def circles(graph: grimp.ImportGraph) -> list[tuple[str, ...]]:
    """Each import that leads back to its importer, as the modules on the way."""
    found = []
    for importer in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            back = graph.find_shortest_chain(importer=imported, imported=importer)
            if back is not None:
                found.append((importer, *back))
    return found


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(grimp.build_graph("authz", "cimd", "xaa")) == []


def test_a_circle_of_a_package_and_its_module_is_found() -> None:
    graph = grimp.ImportGraph()
    graph.add_import(importer="rooms", imported="rooms.first")
    graph.add_import(importer="rooms.first", imported="rooms.second")
    graph.add_import(importer="rooms.second", imported="rooms")
    assert ("rooms", "rooms.first", "rooms.second", "rooms") in circles(graph)
