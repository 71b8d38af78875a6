// Columns of the information_schema views (SQL:2016-11): see RelationColumnsA.swift. Domains stand as their base types.

let informationSchemaColumns: StaticString = """
    13236 i v applicable_roles grantee:19? role_name:19? is_grantable:1043?
    13250 i v character_sets character_set_catalog:19? character_set_schema:19? character_set_name:19?
      character_repertoire:19? form_of_use:19? default_collate_catalog:19? default_collate_schema:19?
      default_collate_name:19?
    13260 i v check_constraints constraint_catalog:19? constraint_schema:19? constraint_name:19?
      check_clause:1043?
    13285 i v column_privileges grantor:19? grantee:19? table_catalog:19? table_schema:19? table_name:19?
      column_name:19? privilege_type:1043? is_grantable:1043?
    13295 i v columns table_catalog:19? table_schema:19? table_name:19? column_name:19? ordinal_position:23?
      column_default:1043? is_nullable:1043? data_type:1043? character_maximum_length:23? character_octet_length:23?
      numeric_precision:23? numeric_precision_radix:23? numeric_scale:23? datetime_precision:23? interval_type:1043?
      interval_precision:23? character_set_catalog:19? character_set_schema:19? character_set_name:19?
      collation_catalog:19? collation_schema:19? collation_name:19? domain_catalog:19? domain_schema:19?
      domain_name:19? udt_catalog:19? udt_schema:19? udt_name:19? scope_catalog:19? scope_schema:19? scope_name:19?
      maximum_cardinality:23? dtd_identifier:19? is_self_referencing:1043? is_identity:1043?
      identity_generation:1043? identity_start:1043? identity_increment:1043? identity_maximum:1043?
      identity_minimum:1043? identity_cycle:1043? is_generated:1043? generation_expression:1043? is_updatable:1043?
    13300 i v constraint_column_usage table_catalog:19? table_schema:19? table_name:19? column_name:19?
      constraint_catalog:19? constraint_schema:19? constraint_name:19?
    13320 i v domains domain_catalog:19? domain_schema:19? domain_name:19? data_type:1043?
      character_maximum_length:23? character_octet_length:23? character_set_catalog:19? character_set_schema:19?
      character_set_name:19? collation_catalog:19? collation_schema:19? collation_name:19? numeric_precision:23?
      numeric_precision_radix:23? numeric_scale:23? datetime_precision:23? interval_type:1043?
      interval_precision:23? domain_default:1043? udt_catalog:19? udt_schema:19? udt_name:19? scope_catalog:19?
      scope_schema:19? scope_name:19? maximum_cardinality:23? dtd_identifier:19?
    13493 i v element_types object_catalog:19? object_schema:19? object_name:19? object_type:1043?
      collection_type_identifier:19? data_type:1043? character_maximum_length:23? character_octet_length:23?
      character_set_catalog:19? character_set_schema:19? character_set_name:19? collation_catalog:19?
      collation_schema:19? collation_name:19? numeric_precision:23? numeric_precision_radix:23? numeric_scale:23?
      datetime_precision:23? interval_type:1043? interval_precision:23? domain_default:1043? udt_catalog:19?
      udt_schema:19? udt_name:19? scope_catalog:19? scope_schema:19? scope_name:19? maximum_cardinality:23?
      dtd_identifier:19?
    13325 i v enabled_roles role_name:19?
    13227 i v information_schema_catalog_name catalog_name:19?
    13329 i v key_column_usage constraint_catalog:19? constraint_schema:19? constraint_name:19? table_catalog:19?
      table_schema:19? table_name:19? column_name:19? ordinal_position:23? position_in_unique_constraint:23?
    13334 i v parameters specific_catalog:19? specific_schema:19? specific_name:19? ordinal_position:23?
      parameter_mode:1043? is_result:1043? as_locator:1043? parameter_name:19? data_type:1043?
      character_maximum_length:23? character_octet_length:23? character_set_catalog:19? character_set_schema:19?
      character_set_name:19? collation_catalog:19? collation_schema:19? collation_name:19? numeric_precision:23?
      numeric_precision_radix:23? numeric_scale:23? datetime_precision:23? interval_type:1043?
      interval_precision:23? udt_catalog:19? udt_schema:19? udt_name:19? scope_catalog:19? scope_schema:19?
      scope_name:19? maximum_cardinality:23? dtd_identifier:19? parameter_default:1043?
    13339 i v referential_constraints constraint_catalog:19? constraint_schema:19? constraint_name:19?
      unique_constraint_catalog:19? unique_constraint_schema:19? unique_constraint_name:19? match_option:1043?
      update_rule:1043? delete_rule:1043?
    13421 i v role_table_grants grantor:19? grantee:19? table_catalog:19? table_schema:19? table_name:19?
      privilege_type:1043? is_grantable:1043? with_hierarchy:1043?
    13377 i v routines specific_catalog:19? specific_schema:19? specific_name:19? routine_catalog:19?
      routine_schema:19? routine_name:19? routine_type:1043? module_catalog:19? module_schema:19? module_name:19?
      udt_catalog:19? udt_schema:19? udt_name:19? data_type:1043? character_maximum_length:23?
      character_octet_length:23? character_set_catalog:19? character_set_schema:19? character_set_name:19?
      collation_catalog:19? collation_schema:19? collation_name:19? numeric_precision:23?
      numeric_precision_radix:23? numeric_scale:23? datetime_precision:23? interval_type:1043?
      interval_precision:23? type_udt_catalog:19? type_udt_schema:19? type_udt_name:19? scope_catalog:19?
      scope_schema:19? scope_name:19? maximum_cardinality:23? dtd_identifier:19? routine_body:1043?
      routine_definition:1043? external_name:1043? external_language:1043? parameter_style:1043?
      is_deterministic:1043? sql_data_access:1043? is_null_call:1043? sql_path:1043? schema_level_routine:1043?
      max_dynamic_result_sets:23? is_user_defined_cast:1043? is_implicitly_invocable:1043? security_type:1043?
      to_sql_specific_catalog:19? to_sql_specific_schema:19? to_sql_specific_name:19? as_locator:1043? created:1184?
      last_altered:1184? new_savepoint_level:1043? is_udt_dependent:1043? result_cast_from_data_type:1043?
      result_cast_as_locator:1043? result_cast_char_max_length:23? result_cast_char_octet_length:23?
      result_cast_char_set_catalog:19? result_cast_char_set_schema:19? result_cast_char_set_name:19?
      result_cast_collation_catalog:19? result_cast_collation_schema:19? result_cast_collation_name:19?
      result_cast_numeric_precision:23? result_cast_numeric_precision_radix:23? result_cast_numeric_scale:23?
      result_cast_datetime_precision:23? result_cast_interval_type:1043? result_cast_interval_precision:23?
      result_cast_type_udt_catalog:19? result_cast_type_udt_schema:19? result_cast_type_udt_name:19?
      result_cast_scope_catalog:19? result_cast_scope_schema:19? result_cast_scope_name:19?
      result_cast_maximum_cardinality:23? result_cast_dtd_identifier:19?
    13382 i v schemata catalog_name:19? schema_name:19? schema_owner:19? default_character_set_catalog:19?
      default_character_set_schema:19? default_character_set_name:19? sql_path:1043?
    13386 i v sequences sequence_catalog:19? sequence_schema:19? sequence_name:19? data_type:1043?
      numeric_precision:23? numeric_precision_radix:23? numeric_scale:23? start_value:1043? minimum_value:1043?
      maximum_value:1043? increment:1043? cycle_option:1043?
    13411 i v table_constraints constraint_catalog:19? constraint_schema:19? constraint_name:19? table_catalog:19?
      table_schema:19? table_name:19? constraint_type:1043? is_deferrable:1043? initially_deferred:1043?
      enforced:1043? nulls_distinct:1043?
    13416 i v table_privileges grantor:19? grantee:19? table_catalog:19? table_schema:19? table_name:19?
      privilege_type:1043? is_grantable:1043? with_hierarchy:1043?
    13425 i v tables table_catalog:19? table_schema:19? table_name:19? table_type:1043?
      self_referencing_column_name:19? reference_generation:1043? user_defined_type_catalog:19?
      user_defined_type_schema:19? user_defined_type_name:19? is_insertable_into:1043? is_typed:1043?
      commit_action:1043?
    13440 i v triggers trigger_catalog:19? trigger_schema:19? trigger_name:19? event_manipulation:1043?
      event_object_catalog:19? event_object_schema:19? event_object_table:19? action_order:23?
      action_condition:1043? action_statement:1043? action_orientation:1043? action_timing:1043?
      action_reference_old_table:19? action_reference_new_table:19? action_reference_old_row:19?
      action_reference_new_row:19? created:1184?
    13478 i v view_table_usage view_catalog:19? view_schema:19? view_name:19? table_catalog:19? table_schema:19?
      table_name:19?
    13483 i v views table_catalog:19? table_schema:19? table_name:19? view_definition:1043? check_option:1043?
      is_updatable:1043? is_insertable_into:1043? is_trigger_updatable:1043? is_trigger_deletable:1043?
      is_trigger_insertable_into:1043?
    """
